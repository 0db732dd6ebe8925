//! Plain HTTP responses.

use std::fmt::Write;

use bytes::Bytes;
use serde::Serialize;

/// A plain HTTP response. The connection ends after it.
#[derive(Clone, Debug)]
pub struct Response {
    pub(crate) status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Response {
    /// A response with a body of this type.
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }

    /// A response of one line of plain text.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text.into())
    }

    /// A response with JSON, which nobody keeps.
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::new(200, "application/json", body).header("Cache-Control", "no-store"),
            Err(error) => Self::text(500, format!("write JSON: {error}")),
        }
    }

    /// Adds a header. The value must be one line.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds headers.
    #[must_use]
    pub(crate) fn headers(mut self, headers: Vec<(&'static str, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// The same for an `EventSource`, which would never come back after a 503 or 429: it gets an event stream that ends at once,
    /// and that tells it when to come back.
    #[must_use]
    pub(crate) fn for_event_source(self) -> Self {
        if !matches!(self.status, 429 | 503) {
            return self;
        }
        let retry_after_s = self.headers.iter().find(|(name, _)| *name == "Retry-After");
        let retry_after_s: u64 = retry_after_s.and_then(|(_, value)| value.parse().ok()).unwrap_or(1);
        let reason = self.body_text().replace(['\r', '\n'], " ");
        let body = format!(": {reason}\nretry: {}\n\n", retry_after_s * 1000);
        Self::new(200, "text/event-stream", body).header("Cache-Control", "no-cache, no-transform")
    }

    pub(crate) fn body_text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The response as bytes; without the body if the request was HEAD.
    pub(crate) fn encode(&self, is_head: bool) -> Vec<u8> {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n",
            self.status,
            reason_phrase(self.status),
            self.content_type,
            self.body.len()
        );
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n"); // Writing to a String cannot fail.
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !is_head {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_all_its_headers_and_no_body_for_a_head_request() {
        let response = Response::text(401, "a token is needed").header("WWW-Authenticate", "Bearer");
        let head = "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 17\r\n\
                    Connection: close\r\nWWW-Authenticate: Bearer\r\n\r\n";
        assert_eq!(response.encode(true), head.as_bytes());
        assert_eq!(response.encode(false), format!("{head}a token is needed").as_bytes());
    }

    #[test]
    fn an_event_source_that_is_refused_for_now_is_told_when_to_come_back() {
        let response =
            Response::text(503, "this instance is stopping").header("Retry-After", "5").for_event_source();
        let text = String::from_utf8(response.encode(false)).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n: this instance is stopping\nretry: 5000\n\n"), "{text}");
        assert_eq!(Response::text(401, "a token is needed").for_event_source().status, 401);
    }
}
