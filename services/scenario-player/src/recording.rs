//! Recordings: messages of a broker with their times, and how they are written as JSON, one a line.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::message::Message;
use crate::time::EpochMicros;

/// A message, and when it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedMessage {
    pub(crate) time: EpochMicros,
    pub(crate) message: Message,
}

/// A line of a recording.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    /// Milliseconds since 1970, or since the recording began.
    time: Number,
    topic: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Cow<'a, str>>,
    /// In place of `payload`, if that is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(default = "default_qos")]
    qos: u8,
    #[serde(default)]
    retain: bool,
}

/// Why a line is not a message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    /// Not JSON.
    #[error("is not JSON: {0}")]
    Json(String),
    /// JSON, but no message that can be published.
    #[error("{0}")]
    Value(String),
}

impl RecordedMessage {
    /// Parses a line.
    ///
    /// # Errors
    /// [`LineError`] says what is wrong.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, LineError> {
        let line: Line<'_> = serde_json::from_slice(line).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => LineError::Value(error.to_string()),
            _ => LineError::Json(error.to_string()),
        })?;
        let wrong = |what: &str| Err(LineError::Value(what.to_owned()));
        // Whole milliseconds of late years have more digits than a floating-point number.
        let time = match line.time.as_i64() {
            Some(ms) => EpochMicros::new(ms.saturating_mul(1000)),
            None => EpochMicros::from_ms(line.time.as_f64().unwrap_or(f64::NAN)),
        };
        let time = time.map_err(|error| LineError::Value(format!("time: {error}")))?;
        if !is_topic(&line.topic) {
            return wrong("topic: must be 1 to 65535 bytes without + and #");
        }
        if line.qos > 2 {
            return wrong("qos: must be 0, 1 or 2");
        }
        let payload = match (line.payload, line.payload_base64) {
            (Some(text), None) => text.into_owned().into_bytes(),
            (None, Some(encoded)) => match STANDARD.decode(encoded) {
                Ok(bytes) => bytes,
                Err(error) => return wrong(&format!("payload_base64: {error}")),
            },
            _ => return wrong("must have either payload or payload_base64"),
        };
        let topic = line.topic.into_owned();
        Ok(Self { time, message: Message { topic, payload, qos: line.qos, retain: line.retain } })
    }

    /// The line, without its end. The time is cut to whole milliseconds.
    pub(crate) fn to_line(&self) -> String {
        let Message { topic, payload, qos, retain } = &self.message;
        let text = std::str::from_utf8(payload).ok();
        let line = Line {
            time: self.time.as_ms().into(),
            topic: topic.into(),
            payload: text.map(Cow::from),
            payload_base64: text.is_none().then(|| STANDARD.encode(payload)),
            qos: *qos,
            retain: *retain,
        };
        // Texts and numbers can always be written.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

fn is_topic(topic: &str) -> bool {
    (1..=65_535).contains(&topic.len()) && !topic.contains(['+', '#', '\0'])
}

fn default_qos() -> u8 {
    1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_json_with_the_payload_as_text_or_in_base64() {
        let parse = |line: &str| RecordedMessage::parse(line.as_bytes());
        let text = r#"{"time":1618323771180,"topic":"shop/1","payload":"a\"b","qos":2,"retain":true}"#;
        let message = parse(text).unwrap();
        assert_eq!(message.time.as_ms(), 1_618_323_771_180);
        assert_eq!(message.message.payload, b"a\"b");
        assert_eq!(message.to_line(), text);
        let bytes = r#"{"time":5,"topic":"t","payload_base64":"/wA=","qos":1,"retain":false}"#;
        assert_eq!(parse(bytes).unwrap().message.payload, [255, 0]);
        assert_eq!(parse(bytes).unwrap().to_line(), bytes);
        let short = parse(r#"{"topic":"t","payload":"","time":5}"#).unwrap();
        assert_eq!((short.message.qos, short.message.retain, short.time.as_micros()), (1, false, 5_000));
    }

    #[test]
    fn a_line_that_cannot_be_published_is_refused_with_the_reason() {
        let error = |line: &str| RecordedMessage::parse(line.as_bytes()).unwrap_err().to_string();
        assert!(error("{").starts_with("is not JSON: "));
        for (line, reason) in [
            (r#"{"topic":"a/#","payload":"","time":1}"#, "topic: must be 1 to 65535 bytes without + and #"),
            (r#"{"topic":"a","payload":"","time":1,"qos":3}"#, "qos: must be 0, 1 or 2"),
            (r#"{"topic":"a","time":1}"#, "must have either payload or payload_base64"),
            (r#"{"topic":"a","payload":"","payload_base64":"","time":1}"#, "must have either payload"),
            (r#"{"topic":"a","payload_base64":"=","time":1}"#, "payload_base64: "),
            (r#"{"topic":"a","payload":"","time":-1}"#, "time: must lie between"),
            (r#"{"topic":"a","payload":""}"#, "missing field `time`"),
            (r#"{"topic":"a","payload":"","time":1,"qso":1}"#, "unknown field `qso`"),
        ] {
            assert!(error(line).starts_with(reason), "{line}: {}", error(line));
        }
    }

    proptest! {
        #[test]
        fn every_message_is_the_same_after_it_was_written_and_read(
            topic in "[^+#\0]{1,20}", payload in proptest::collection::vec(any::<u8>(), 0..40),
            qos in 0..=2_u8, retain: bool, ms in 0..=253_402_207_200_000_i64,
        ) {
            let time = EpochMicros::new(ms * 1000).unwrap();
            let recorded = RecordedMessage { time, message: Message { topic, payload, qos, retain } };
            prop_assert_eq!(RecordedMessage::parse(recorded.to_line().as_bytes()), Ok(recorded));
        }

        #[test]
        fn no_line_makes_the_parser_panic(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = RecordedMessage::parse(&line);
        }
    }
}
