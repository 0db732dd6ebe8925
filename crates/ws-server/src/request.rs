//! The head of a request.

use std::borrow::Cow;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;

/// The head of a GET, HEAD or OPTIONS request.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) client_address: IpAddr,
    pub(crate) is_head: bool,
    pub(crate) is_options: bool,
    pub(crate) is_websocket: bool,
}

impl Request {
    /// The path, percent-decoded, without the query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The segments of the path, the last one first. `/run/` ends in the same segment as `/run`.
    pub fn segments_from_end(&self) -> impl Iterator<Item = &str> {
        self.path.trim_end_matches('/').rsplit('/')
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

    /// The access token, from the first of these that has one: `Authorization: Bearer`; `Sec-WebSocket-Protocol: bearer,
    /// TOKEN`, because the WebSocket API of browsers can set no other header; `?token=`; the cookie of this name.
    pub fn token(&self, cookie: Option<&str>) -> Option<String> {
        let bearer = self.header("authorization").and_then(|value| {
            let (scheme, token) = value.trim().split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        });
        bearer
            .or_else(|| self.subprotocols().skip_while(|name| *name != BEARER).nth(1).map(str::to_owned))
            .or_else(|| self.query("token"))
            .or_else(|| self.cookie(cookie?).map(str::to_owned))
    }

    /// The subprotocol that the answer to the handshake must name: `bearer`, if the client offers it together with a token.
    pub(crate) fn subprotocol(&self) -> Option<&'static str> {
        self.subprotocols().any(|name| name == BEARER).then_some(BEARER)
    }

    fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.header_items("sec-websocket-protocol")
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        let pairs =
            self.values("cookie").flat_map(|list| list.split(';')).filter_map(|pair| pair.split_once('='));
        let value = pairs.into_iter().find_map(|(key, value)| (key.trim() == name).then(|| value.trim()))?;
        Some(value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value))
    }

    /// Whether an `EventSource` asks, which gives up for ever at any other status than 200.
    pub(crate) fn accepts_event_stream(&self) -> bool {
        self.header_items("accept").any(|item| {
            item.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
        })
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
        self.header_items(name).any(|item| item.eq_ignore_ascii_case(value))
    }

    /// The items of a comma-separated header, which may be given more than once.
    fn header_items(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values(name).flat_map(|list| list.split(',')).map(str::trim)
    }

    /// All values of a header, whatever the case of its name.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let of_name = move |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().filter(of_name).map(|(_, value)| value.as_str())
    }
}

/// The subprotocol that carries a token.
const BEARER: &str = "bearer";

fn decode(text: &str) -> Option<String> {
    let text = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_decode_str(&text).decode_utf8().ok().map(Cow::into_owned)
}
