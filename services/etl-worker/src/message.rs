//! Messages that the game server publishes on its log channel: JSON, encoded once or twice.

use redis_core::id::GameToken;
use serde::Deserialize;

/// A message from the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// "Cleaning Game Records": a game ended, and its records can be written and removed.
    GameEnded(GameToken),
    /// Any other log line of the server.
    Other,
}

/// Why a payload is not a message of the game server.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMessage {
    /// Neither an object nor a string that contains one.
    #[error("not a log message: not a JSON object")]
    NotAnObject,
    /// Broken JSON.
    #[error("not a log message: {0}")]
    Json(#[from] serde_json::Error),
    /// The message says that a game ended, but not which one.
    #[error("a \"{GAME_ENDED}\" message without task.game_token")]
    NoGame,
    /// The token could not be part of a file name.
    #[error("a \"{GAME_ENDED}\" message with an invalid game token: {0}")]
    Token(#[from] redis_core::id::IdError),
}

/// Parses a payload. The game server encodes its JSON text a second time, so a JSON string is decoded once more.
///
/// # Errors
/// When no game server sends such a payload. The error says what is wrong with it.
pub fn parse(payload: &[u8]) -> Result<Message, InvalidMessage> {
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
    let line: LogLine = serde_json::from_slice(object)?;
    if line.log_message.as_str() != Some(GAME_ENDED) {
        return Ok(Message::Other);
    }
    let token = line.task.get("game_token").and_then(serde_json::Value::as_str);
    Ok(Message::GameEnded(GameToken::parse(token.ok_or(InvalidMessage::NoGame)?)?))
}

const GAME_ENDED: &str = "Cleaning Game Records";

#[derive(Deserialize)]
struct LogLine {
    #[serde(default)]
    log_message: serde_json::Value,
    #[serde(default)]
    task: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = r#"{"level":"INFO","timestamp":"2022-10-01T12:00:00.123456","name":"redis.lib.server.lobby","log_message":"Cleaning Game Records","task":{"game_token":"6f1f7a3e-0c4b-4a55-9f0e-2d9a4a1c7f10","user_token":"8d7c0f52-7b1e-4a44-8f5c-1f7d1f6a9b02"}}"#;

    #[test]
    fn the_servers_message_is_parsed_in_both_encodings() {
        let ended = Message::GameEnded(GameToken::parse("6f1f7a3e-0c4b-4a55-9f0e-2d9a4a1c7f10").unwrap());
        assert_eq!(parse(OBJECT.as_bytes()).unwrap(), ended);
        let twice = serde_json::to_string(OBJECT).unwrap();
        assert!(twice.starts_with(r#""{\"level\":\"INFO\""#));
        assert_eq!(parse(twice.as_bytes()).unwrap(), ended);
    }

    #[test]
    fn every_other_log_line_is_ignored() {
        for other in [
            r#"{"log_message":"Starting Game","task":{"game_token":"g1"}}"#,
            r#"{"level":"INFO"}"#,
            r#"{"log_message":7}"#,
            r#"{"log_message":"cleaning game records"}"#,
        ] {
            assert_eq!(parse(other.as_bytes()).unwrap(), Message::Other, "{other}");
        }
    }

    #[test]
    fn the_error_says_what_is_wrong_with_an_invalid_payload() {
        let error = |payload: &[u8]| parse(payload).unwrap_err().to_string();
        for payload in [&b"\xff\xfe"[..], b"", b"7", b"[]", b"\"\"", b"\"{\"", b"null", b"\"\\\"{}\\\"\""] {
            assert!(error(payload).starts_with("not a log message: "), "{payload:?}");
        }
        let no_game = error(br#"{"log_message":"Cleaning Game Records","task":{"game_token":5}}"#);
        assert_eq!(no_game, "a \"Cleaning Game Records\" message without task.game_token");
        let bad =
            error(br#"{"log_message":"Cleaning Game Records","task":{"game_token":"../../etc/passwd"}}"#);
        assert!(bad.ends_with("a game token must be 1 to 128 of A-Z a-z 0-9 _ -"), "{bad}");
    }
}
