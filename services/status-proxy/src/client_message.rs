//! What a client may ask for on an open socket.

use serde_json::Value;

use crate::resume::{ResumeRequest, Since};
use crate::run_channels::MAX_CHANNELS;

/// The most lines that a client can ask for.
pub(crate) const MAX_HISTORY: usize = 100_000;

/// A request of a client. Everything else that it sends is a sign of life and no more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClientMessage {
    /// Watch these channels too.
    Subscribe {
        run: String,
        /// An error says what is wrong with the request.
        wanted: Result<Wanted, &'static str>,
        /// In place of the token with which the socket was opened.
        token: Option<String>,
    },
    /// Watch these channels, or all of the run, no more.
    Unsubscribe { run: String, channels: Option<Vec<String>> },
}

/// What to watch of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) channels: Vec<String>,
    pub(crate) resume: ResumeRequest,
}

impl ClientMessage {
    /// Whether it can be a request. Nearly all messages are `{"type":"pong"}`.
    pub(crate) fn may_be(text: &str) -> bool {
        text.contains("subscribe")
    }

    /// `None` if it is no request.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(text).ok()?;
        let run = message.get("run")?.as_str()?.to_owned();
        match message.get("type")?.as_str()? {
            "subscribe" => {
                let token = message.get("token").and_then(Value::as_str).map(str::to_owned);
                Some(Self::Subscribe { run, wanted: wanted(&message), token })
            }
            "unsubscribe" => Some(Self::Unsubscribe { run, channels: names(&message) }),
            _ => None,
        }
    }
}

fn wanted(message: &Value) -> Result<Wanted, &'static str> {
    let channels = channels(message).ok_or("channels must be a list of at most 32 names")?;
    let last = match message.get("history") {
        None => None,
        Some(count) => {
            let count = count.as_u64().ok_or("history must be a whole number of lines")?;
            Some(usize::try_from(count).unwrap_or(MAX_HISTORY).min(MAX_HISTORY))
        }
    };
    let since = match message.get("since") {
        None => None,
        Some(id) => {
            let id = id.as_str().ok_or("since must be an id as a text")?;
            Some(id.parse().map_or(Since::Unknown, Since::Line))
        }
    };
    Ok(Wanted { channels, resume: ResumeRequest { since, last } })
}

/// No more than can be watched, since they are kept until Redis has answered.
fn channels(message: &Value) -> Option<Vec<String>> {
    message.get("channels")?.as_array().filter(|names| names.len() <= MAX_CHANNELS)?;
    names(message)
}

fn names(message: &Value) -> Option<Vec<String>> {
    let names = message.get("channels")?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn only_a_request_with_a_run_is_one() {
        let resume = ResumeRequest { since: Some(Since::Unknown), last: Some(MAX_HISTORY) };
        assert_eq!(
            ClientMessage::parse(
                r#"{"type":"subscribe","run":"r","channels":["a","b"],"history":18446744073709551615,"since":"x","token":"t"}"#
            ),
            Some(ClientMessage::Subscribe {
                run: "r".to_owned(),
                wanted: Ok(Wanted { channels: names(&["a", "b"]), resume }),
                token: Some("t".to_owned())
            })
        );
        assert_eq!(
            ClientMessage::parse(r#"{"run":"r","type":"unsubscribe"}"#),
            Some(ClientMessage::Unsubscribe { run: "r".to_owned(), channels: None })
        );
        for other in [
            r#"{"type":"pong"}"#,
            r#"{"type":"subscribe","channels":["a"]}"#,
            r#"{"type":"subscribe","run":7,"channels":["a"]}"#,
            r#"{"type":"subscribed","run":"r"}"#,
            r#"["subscribe","r"]"#,
            "subscribe",
        ] {
            assert_eq!(ClientMessage::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_request_that_says_not_clearly_what_it_wants_is_told() {
        for wrong in [
            r#"{"type":"subscribe","run":"r"}"#,
            r#"{"type":"subscribe","run":"r","channels":"a"}"#,
            r#"{"type":"subscribe","run":"r","channels":[1]}"#,
            &format!(r#"{{"type":"subscribe","run":"r","channels":[{}]}}"#, vec![r#""a""#; 33].join(",")),
            r#"{"type":"subscribe","run":"r","channels":["a"],"history":-1}"#,
            r#"{"type":"subscribe","run":"r","channels":["a"],"history":"1"}"#,
            r#"{"type":"subscribe","run":"r","channels":["a"],"since":7}"#,
        ] {
            let Some(ClientMessage::Subscribe { wanted: Err(_), .. }) = ClientMessage::parse(wrong) else {
                panic!("{wrong}");
            };
        }
    }
}
