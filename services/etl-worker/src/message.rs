//! Messages of a channel: JSON, encoded once or twice.

use redis_core::id::GameToken;
use serde_json::Value;

use crate::dataset::EndOfSession;

/// A message from the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A session ended, and its records can be written and removed.
    Ended(GameToken),
    /// Anything else.
    Other,
}

/// Why a payload is not a message.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMessage {
    /// Neither an object nor a string that contains one.
    #[error("no message: not a JSON object")]
    NotAnObject,
    /// Broken JSON.
    #[error("no message: {0}")]
    Json(#[from] serde_json::Error),
    /// The message says that a session ended, but not which one.
    #[error("a message that something ended without {0}")]
    NoToken(String),
    /// The token could not be part of a file name.
    #[error("a message that something ended with an invalid token: {0}")]
    Token(#[from] redis_core::id::IdError),
}

/// Parses a payload. Some servers encode their JSON text a second time, so a JSON string is decoded once more.
///
/// # Errors
/// When the payload is no JSON object, or names no session although it says that one ended.
pub fn parse(payload: &[u8], end: &EndOfSession) -> Result<Message, InvalidMessage> {
    let text: String;
    let object = if payload.trim_ascii_start().starts_with(b"\"") {
        text = serde_json::from_slice(payload)?;
        text.as_bytes()
    } else {
        payload
    };
    if !object.trim_ascii_start().starts_with(b"{") {
        return Err(InvalidMessage::NotAnObject);
    }
    let message: Value = serde_json::from_slice(object)?;
    if end.when.iter().any(|(path, text)| text_at(&message, path) != Some(text.as_str())) {
        return Ok(Message::Other);
    }
    let token = text_at(&message, &end.token).ok_or_else(|| InvalidMessage::NoToken(end.token.clone()))?;
    Ok(Message::Ended(GameToken::parse(token)?))
}

/// The text at a path such as `task.game_token`.
fn text_at<'m>(message: &'m Value, path: &str) -> Option<&'m str> {
    path.split('.').try_fold(message, |value, name| value.get(name))?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset;

    const OBJECT: &str = r#"{"level":"INFO","timestamp":"2022-10-01T12:00:00.123456","name":"redis.lib.server.lobby","log_message":"Cleaning Game Records","task":{"game_token":"6f1f7a3e-0c4b-4a55-9f0e-2d9a4a1c7f10","user_token":"8d7c0f52-7b1e-4a44-8f5c-1f7d1f6a9b02"}}"#;

    fn read(payload: &[u8]) -> Result<Message, InvalidMessage> {
        parse(payload, &dataset::load(dataset::SUPERHERO).unwrap().end)
    }

    #[test]
    fn the_servers_message_is_parsed_in_both_encodings() {
        let ended = Message::Ended(GameToken::parse("6f1f7a3e-0c4b-4a55-9f0e-2d9a4a1c7f10").unwrap());
        assert_eq!(read(OBJECT.as_bytes()).unwrap(), ended);
        let twice = serde_json::to_string(OBJECT).unwrap();
        assert!(twice.starts_with(r#""{\"level\":\"INFO\""#));
        assert_eq!(read(twice.as_bytes()).unwrap(), ended);
    }

    #[test]
    fn every_other_log_line_is_ignored() {
        for other in [
            r#"{"log_message":"Starting Game","task":{"game_token":"g1"}}"#,
            r#"{"level":"INFO"}"#,
            r#"{"log_message":7}"#,
            r#"{"log_message":"cleaning game records"}"#,
        ] {
            assert_eq!(read(other.as_bytes()).unwrap(), Message::Other, "{other}");
        }
    }

    #[test]
    fn the_error_says_what_is_wrong_with_an_invalid_payload() {
        let error = |payload: &[u8]| read(payload).unwrap_err().to_string();
        for payload in [&b"\xff\xfe"[..], b"", b"7", b"[]", b"\"\"", b"\"{\"", b"null", b"\"\\\"{}\\\"\""] {
            assert!(error(payload).starts_with("no message: "), "{payload:?}");
        }
        let no_game = error(br#"{"log_message":"Cleaning Game Records","task":{"game_token":5}}"#);
        assert_eq!(no_game, "a message that something ended without task.game_token");
        let bad =
            error(br#"{"log_message":"Cleaning Game Records","task":{"game_token":"../../etc/passwd"}}"#);
        assert!(bad.ends_with("a game token must be 1 to 128 of A-Z a-z 0-9 _ -"), "{bad}");
    }
}
