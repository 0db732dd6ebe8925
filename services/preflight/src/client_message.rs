//! What a client may ask for on an open socket.

use std::borrow::Cow;

/// A request of a client. Everything else that it sends is a sign of life and no more.
#[derive(Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ClientMessage<'a> {
    /// Watch this run too.
    Subscribe {
        #[serde(borrow)]
        run: Cow<'a, str>,
        /// In place of the token with which the socket was opened.
        #[serde(borrow, default)]
        token: Option<Cow<'a, str>>,
    },
    /// Watch this run no more.
    Unsubscribe {
        #[serde(borrow)]
        run: Cow<'a, str>,
    },
}

impl<'a> ClientMessage<'a> {
    /// `None` if it is neither.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        // serde would take a list for it too.
        if text.trim_start().starts_with('{') { serde_json::from_str(text).ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_with_a_run_is_one() {
        let run = Cow::Borrowed("r;1");
        let parsed = |text| ClientMessage::parse(text);
        assert_eq!(
            parsed(r#"{"type":"subscribe","run":"r;1","more":[1]}"#),
            Some(ClientMessage::Subscribe { run: run.clone(), token: None })
        );
        assert_eq!(
            parsed(r#"{"run":"r;1","token":"a.b","type":"subscribe"}"#),
            Some(ClientMessage::Subscribe { run: run.clone(), token: Some("a.b".into()) })
        );
        assert_eq!(
            parsed(r#"{"type":"unsubscribe","run":"\u0072;1"}"#),
            Some(ClientMessage::Unsubscribe { run })
        );
        for other in [
            r#"{"type":"pong"}"#,
            r#"{"type":"init"}"#,
            r#"{"type":"subscribe"}"#,
            r#"{"type":"subscribe","run":7}"#,
            r#"["subscribe","r"]"#,
            r#""subscribe""#,
            "subscribe",
            "",
        ] {
            assert_eq!(parsed(other), None, "{other}");
        }
    }
}
