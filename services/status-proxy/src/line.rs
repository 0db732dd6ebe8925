//! A status line, its place in the order of all lines, and how it is written to a client.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::sync::Arc;

use bytes::BytesMut;
use ws_server::Transport;

/// A line's place: lines after a common mark are counted. A greater id is a later line.
///
/// With history in memory the mark is this process's own number; with history in Redis marks are published in Redis, so
/// that every instance gives a line the same id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id {
    /// The mark that the line follows.
    pub(crate) mark: u64,
    /// The line's number after the mark, from 1.
    pub(crate) number: u64,
}

/// From this number on an id is known to the instance that gave it only, and to that one only as one that is past.
pub(crate) const PRIVATE: u64 = 1 << 40;

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.mark, self.number)
    }
}

impl FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (mark, number) = text.split_once('-').ok_or(())?;
        Ok(Self { mark: mark.parse().map_err(|_| ())?, number: number.parse().map_err(|_| ())? })
    }
}

/// One published line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its place.
    pub(crate) id: Id,
    /// What was published.
    pub(crate) text: Arc<str>,
}

/// How a group of clients is written to; all of the same style get the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Style {
    /// Frames or events.
    pub(crate) transport: Transport,
    /// The client asked for history, so it is told ids and gaps.
    pub(crate) resumes: bool,
    /// The client watches several channels, so it is told which one.
    pub(crate) names_channel: bool,
}

impl Style {
    /// Appends a status frame.
    pub(crate) fn status(self, out: &mut BytesMut, channel: &str, line: &Line) {
        let mut json = String::with_capacity(line.text.len() + 96);
        json.push_str(r#"{"type":"status","data":"#);
        push_json(&mut json, &line.text);
        if self.resumes {
            let _ = write!(json, r#","id":"{}""#, line.id); // Writing to a String cannot fail.
        }
        self.end(&mut json, channel);
        match self.transport {
            Transport::WebSocket => self.transport.encode(out, None, &json),
            Transport::EventStream => self.transport.encode(out, Some(&line.id.to_string()), &json),
        }
    }

    /// Appends the answer to a client that resumes.
    pub(crate) fn resume(self, out: &mut BytesMut, channel: &str, recovered: bool) {
        let mut json = format!(r#"{{"type":"resume","recovered":{recovered}"#);
        self.end(&mut json, channel);
        self.transport.encode(out, None, &json);
    }

    /// Appends the announcement that lines may have been missed.
    pub(crate) fn gap(self, out: &mut BytesMut, channel: &str) {
        let mut json = r#"{"type":"gap""#.to_owned();
        self.end(&mut json, channel);
        self.transport.encode(out, None, &json);
    }

    /// Whether clients of this style are told of gaps. An event stream resumes by itself.
    pub(crate) fn tells_gaps(self) -> bool {
        self.resumes || self.transport == Transport::EventStream
    }

    fn end(self, json: &mut String, channel: &str) {
        if self.names_channel {
            json.push_str(r#","channel":"#);
            push_json(json, channel);
        }
        json.push('}');
    }
}

/// Appends a JSON string. Only what JSON demands is escaped.
fn push_json(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        // What is escaped is ASCII, so both ends are at the borders of characters.
        out.push_str(&text[plain..index]);
        plain = index + 1;
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}"); // Writing to a String cannot fail.
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line { id: Id { mark: 7, number: 3 }, text: text.into() }
    }

    fn written(style: Style, write: impl Fn(Style, &mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        write(style, &mut out);
        let header = if style.transport == Transport::WebSocket { 2 } else { 0 };
        String::from_utf8(out[header..].to_vec()).unwrap()
    }

    #[test]
    fn frames_are_the_literal_text_of_the_contract() {
        let plain = Style { transport: Transport::WebSocket, resumes: false, names_channel: false };
        let status = |style| written(style, |style, out| style.status(out, "a", &line("x \"y\"")));
        assert_eq!(status(plain), r#"{"type":"status","data":"x \"y\""}"#);
        let resumes = Style { resumes: true, ..plain };
        assert_eq!(status(resumes), r#"{"type":"status","data":"x \"y\"","id":"7-3"}"#);
        assert_eq!(
            written(resumes, |s, out| s.resume(out, "a", true)),
            r#"{"type":"resume","recovered":true}"#
        );
        assert_eq!(written(resumes, |s, out| s.gap(out, "a")), r#"{"type":"gap"}"#);
        let several = Style { names_channel: true, ..resumes };
        assert_eq!(status(several), r#"{"type":"status","data":"x \"y\"","id":"7-3","channel":"a"}"#);
        assert_eq!(
            written(several, |s, out| s.resume(out, "a", false)),
            r#"{"type":"resume","recovered":false,"channel":"a"}"#
        );
        assert_eq!(written(several, |s, out| s.gap(out, "a")), r#"{"type":"gap","channel":"a"}"#);
        let events = Style { transport: Transport::EventStream, ..plain };
        assert_eq!(status(events), "id: 7-3\ndata: {\"type\":\"status\",\"data\":\"x \\\"y\\\"\"}\n\n");
    }

    #[test]
    fn every_text_comes_back_from_its_json_as_it_was() {
        for text in ["", "plain", "\"\\/\n\r\t\u{8}\u{c}\u{0}\u{1f}\u{7f}", "grüße €  🦀", "</script>"]
        {
            let mut json = String::new();
            push_json(&mut json, text);
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            assert_eq!(
                json,
                serde_json::to_string(text).unwrap().replace("\\b", "\\u0008").replace("\\f", "\\u000c")
            );
        }
    }

    #[test]
    fn an_id_is_at_most_40_characters_and_reads_back() {
        let longest = Id { mark: 10u64.pow(18) - 1, number: u64::MAX };
        assert!(longest.to_string().len() <= 40);
        assert_eq!(longest.to_string().parse(), Ok(longest));
        for wrong in ["", "7", "7-", "-3", "a-b", "7-3-1"] {
            assert_eq!(wrong.parse::<Id>(), Err(()), "{wrong}");
        }
    }
}
