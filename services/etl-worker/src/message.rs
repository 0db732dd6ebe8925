//! What the game server says on the channel: JSON, encoded once or twice.

use redis_core::id::GameToken;
use serde::Deserialize;

/// A payload of the channel, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A game ended: its records are to be written and cleared away.
    Clean(GameToken),
    /// One of the server's other log lines.
    Other,
}

/// A payload that is none of the server's messages.
#[derive(Debug, thiserror::Error)]
pub enum Garbage {
    /// Neither an object nor a string that holds one.
    #[error("not a log message: no JSON object")]
    NoObject,
    /// Broken JSON.
    #[error("not a log message: {0}")]
    Json(#[from] serde_json::Error),
    /// The message that a game ended does not say which.
    #[error("a \"{CLEAN}\" message without task.game_token")]
    NoGame,
    /// The token could not name a file.
    #[error("a \"{CLEAN}\" message of a game whose token cannot be used: {0}")]
    Token(#[from] redis_core::id::IdError),
}

/// Reads a payload. The publisher encodes an object that is text already, so a string is unwrapped once.
///
/// # Errors
/// Says what is wrong with a payload that no game server sends.
pub fn parse(payload: &[u8]) -> Result<Message, Garbage> {
    let text: String;
    let object = if payload.trim_ascii_start().starts_with(b"\"") {
        text = serde_json::from_slice(payload)?;
        text.as_bytes()
    } else {
        payload
    };
    if !object.trim_ascii_start().starts_with(b"{") {
        return Err(Garbage::NoObject);
    }
    let line: Line = serde_json::from_slice(object)?;
    if line.log_message.as_str() != Some(CLEAN) {
        return Ok(Message::Other);
    }
    let game = line.task.get("game_token").and_then(serde_json::Value::as_str).ok_or(Garbage::NoGame)?;
    Ok(Message::Clean(GameToken::parse(game)?))
}

const CLEAN: &str = "Cleaning Game Records";

#[derive(Deserialize)]
struct Line {
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
    fn the_servers_message_is_read_in_both_encodings() {
        let clean = Message::Clean(GameToken::parse("6f1f7a3e-0c4b-4a55-9f0e-2d9a4a1c7f10").unwrap());
        assert_eq!(parse(OBJECT.as_bytes()).unwrap(), clean);
        let twice = serde_json::to_string(OBJECT).unwrap();
        assert!(twice.starts_with(r#""{\"level\":\"INFO\""#));
        assert_eq!(parse(twice.as_bytes()).unwrap(), clean);
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
    fn garbage_is_named() {
        let error = |payload: &[u8]| parse(payload).unwrap_err().to_string();
        for garbage in [&b"\xff\xfe"[..], b"", b"7", b"[]", b"\"\"", b"\"{\"", b"null", b"\"\\\"{}\\\"\""] {
            assert!(error(garbage).starts_with("not a log message: "), "{garbage:?}");
        }
        let no_game = error(br#"{"log_message":"Cleaning Game Records","task":{"game_token":5}}"#);
        assert_eq!(no_game, "a \"Cleaning Game Records\" message without task.game_token");
        let bad =
            error(br#"{"log_message":"Cleaning Game Records","task":{"game_token":"../../etc/passwd"}}"#);
        assert!(bad.ends_with("a game token must be 1 to 128 of A-Z a-z 0-9 _ -"), "{bad}");
    }
}
