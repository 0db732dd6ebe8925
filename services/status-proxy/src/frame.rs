//! How lines are written to a client: the JSON frames of the protocol.

use std::fmt::Write;

use bytes::BytesMut;
use ws_server::Transport;

use crate::json::push_string;
use crate::line::Line;
use crate::run_channels::{run_name, short_name};

/// How frames are written to a group of clients. All clients with the same format get the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FrameFormat {
    pub(crate) transport: Transport,
    /// The client asked for history: its status frames carry ids, and it is told of gaps.
    pub(crate) with_ids: bool,
    /// The client watches several channels: every frame names its channel.
    pub(crate) with_channel: bool,
    /// The client has asked for the run on an open socket: every frame names its run.
    pub(crate) with_run: bool,
}

impl FrameFormat {
    /// Appends a status frame. The channel is that in Redis, as in all others.
    pub(crate) fn encode_status(self, out: &mut BytesMut, channel: &str, line: &Line) {
        let mut json = String::with_capacity(line.text.len() + 96);
        json.push_str(r#"{"type":"status""#);
        self.push_run(&mut json, channel);
        json.push_str(r#","data":"#);
        push_string(&mut json, &line.text);
        if self.with_ids {
            let _ = write!(json, r#","id":"{}""#, line.id); // Writing to a String cannot fail.
        }
        self.finish(&mut json, channel);
        match self.transport {
            Transport::WebSocket => self.transport.encode(out, None, &json),
            Transport::EventStream => self.transport.encode(out, Some(&line.id.to_string()), &json),
        }
    }

    /// Appends a resume frame: whether the client gets all of the history that it asked for.
    pub(crate) fn encode_resume(self, out: &mut BytesMut, channel: &str, recovered: bool) {
        let mut json = r#"{"type":"resume""#.to_owned();
        self.push_run(&mut json, channel);
        let _ = write!(json, r#","recovered":{recovered}"#);
        self.finish(&mut json, channel);
        self.transport.encode(out, None, &json);
    }

    /// Appends a gap frame: lines may have been missed.
    pub(crate) fn encode_gap(self, out: &mut BytesMut, channel: &str) {
        let mut json = r#"{"type":"gap""#.to_owned();
        self.push_run(&mut json, channel);
        self.finish(&mut json, channel);
        self.transport.encode(out, None, &json);
    }

    /// Whether clients with this format get gap frames. An event stream gets them unasked, because it resumes by itself.
    pub(crate) fn announces_gaps(self) -> bool {
        self.with_ids || self.transport == Transport::EventStream
    }

    fn push_run(self, json: &mut String, channel: &str) {
        if self.with_run {
            json.push_str(r#","run":"#);
            push_string(json, run_name(channel));
        }
    }

    fn finish(self, json: &mut String, channel: &str) {
        if self.with_channel {
            json.push_str(r#","channel":"#);
            push_string(json, short_name(channel));
        }
        json.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::LineId;

    fn line(text: &str) -> Line {
        Line { id: LineId { epoch: 7, sequence: 3 }, text: text.into() }
    }

    fn encoded(format: FrameFormat, encode: impl Fn(FrameFormat, &mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        encode(format, &mut out);
        let header = if format.transport == Transport::WebSocket { 2 } else { 0 };
        String::from_utf8(out[header..].to_vec()).unwrap()
    }

    #[test]
    fn frames_are_the_literal_text_of_the_contract() {
        let plain = FrameFormat {
            transport: Transport::WebSocket,
            with_ids: false,
            with_channel: false,
            with_run: false,
        };
        let status = |format| encoded(format, |f, out| f.encode_status(out, "r;1:a", &line("x \"y\"")));
        assert_eq!(status(plain), r#"{"type":"status","data":"x \"y\""}"#);
        let with_ids = FrameFormat { with_ids: true, ..plain };
        assert_eq!(status(with_ids), r#"{"type":"status","data":"x \"y\"","id":"7-3"}"#);
        assert_eq!(
            encoded(with_ids, |f, out| f.encode_resume(out, "r;1:a", true)),
            r#"{"type":"resume","recovered":true}"#
        );
        assert_eq!(encoded(with_ids, |f, out| f.encode_gap(out, "r;1:a")), r#"{"type":"gap"}"#);
        let several = FrameFormat { with_channel: true, ..with_ids };
        assert_eq!(status(several), r#"{"type":"status","data":"x \"y\"","id":"7-3","channel":"a"}"#);
        assert_eq!(
            encoded(several, |f, out| f.encode_resume(out, "r;1:a", false)),
            r#"{"type":"resume","recovered":false,"channel":"a"}"#
        );
        assert_eq!(encoded(several, |f, out| f.encode_gap(out, "r;1:a")), r#"{"type":"gap","channel":"a"}"#);
        let added = FrameFormat { with_run: true, ..several };
        assert_eq!(
            status(added),
            r#"{"type":"status","run":"r;1","data":"x \"y\"","id":"7-3","channel":"a"}"#
        );
        assert_eq!(
            encoded(added, |f, out| f.encode_resume(out, "r;1:a", true)),
            r#"{"type":"resume","run":"r;1","recovered":true,"channel":"a"}"#
        );
        assert_eq!(
            encoded(added, |f, out| f.encode_gap(out, "r;1:a")),
            r#"{"type":"gap","run":"r;1","channel":"a"}"#
        );
        let events = FrameFormat { transport: Transport::EventStream, ..plain };
        assert_eq!(status(events), "id: 7-3\ndata: {\"type\":\"status\",\"data\":\"x \\\"y\\\"\"}\n\n");
    }
}
