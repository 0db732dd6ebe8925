//! The head of a request.

use std::borrow::Cow;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;

/// The head of a GET or HEAD request.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) client_address: IpAddr,
    pub(crate) is_head: bool,
    pub(crate) is_websocket: bool,
}

impl Request {
    /// The path, percent-decoded, without the query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The decoded value of a query parameter. If it is given twice, the first one.
    pub fn query(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key)? == name).then(|| decode(value))?
        })
    }

    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The token of `Authorization: Bearer`, or else of `?token=`, because the WebSocket API of browsers cannot set headers.
    pub fn token(&self) -> Option<String> {
        let bearer = self.header("authorization").and_then(|value| {
            let (scheme, token) = value.trim().split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        });
        bearer.or_else(|| self.query("token"))
    }

    /// Whether it asks for an upgrade to WebSocket.
    pub fn is_websocket(&self) -> bool {
        self.is_websocket
    }

    /// The address of the client. Behind a trusted proxy it is the one that the proxy names.
    pub fn client_address(&self) -> IpAddr {
        self.client_address
    }

    /// Whether a comma-separated header contains this value.
    pub(crate) fn header_contains(&self, name: &str, value: &str) -> bool {
        self.headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .flat_map(|(_, list)| list.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(value))
    }
}

fn decode(text: &str) -> Option<String> {
    let text = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_decode_str(&text).decode_utf8().ok().map(Cow::into_owned)
}
