//! Reads the head of a request.

use std::io;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::address::{self, ClientAddress};
use crate::options::Options;
use crate::proxy_header::{self, ProxyHeader};
use crate::request::Request;
use crate::response::Response;

/// The largest head in bytes. A token and the headers of a proxy fit easily.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 100;

/// Why there is no request to handle.
#[derive(Debug)]
pub(crate) enum HeadError {
    /// The client has disconnected.
    Disconnected,
    /// The request is not accepted, and this is the response.
    Rejected(Response),
}

/// Reads until the head is complete. Also returns the bytes that were read beyond it.
pub(crate) async fn read(
    stream: &mut TcpStream,
    peer: IpAddr,
    options: &Options,
) -> Result<(Request, Vec<u8>), HeadError> {
    let mut bytes = Vec::with_capacity(1024);
    let peer = read_proxy_header(stream, &mut bytes, peer, options).await?;
    loop {
        if let Some((request, length)) = parse(&bytes, peer, options).map_err(HeadError::Rejected)? {
            return Ok((request, bytes.split_off(length)));
        }
        if bytes.len() >= MAX_HEAD {
            return Err(HeadError::Rejected(Response::text(431, "the head of the request is too long")));
        }
        read_more(stream, &mut bytes).await?;
    }
}

/// Takes the PROXY header off the beginning of a connection from a trusted proxy, if the options ask for that. Returns the
/// address of whoever the proxy speaks for.
async fn read_proxy_header(
    stream: &mut TcpStream,
    bytes: &mut Vec<u8>,
    peer: IpAddr,
    options: &Options,
) -> Result<IpAddr, HeadError> {
    let is_proxy = address::is_trusted(peer.to_canonical(), &options.trusted_proxies);
    if options.client_address != ClientAddress::ProxyProtocol || !is_proxy {
        return Ok(peer);
    }
    loop {
        match proxy_header::parse(bytes) {
            ProxyHeader::Complete { length, client } => {
                bytes.drain(..length);
                return Ok(client.unwrap_or(peer));
            }
            ProxyHeader::Incomplete => read_more(stream, bytes).await?,
            ProxyHeader::Invalid => {
                let text = "this connection must begin with a PROXY header";
                return Err(HeadError::Rejected(Response::text(400, text)));
            }
        }
    }
}

async fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<(), HeadError> {
    match stream.read_buf(bytes).await {
        Ok(0) => Err(HeadError::Disconnected),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        Err(_) => Err(HeadError::Disconnected),
    }
}

/// Returns the request and the length of its head, or `None` if the head is not complete.
pub(crate) fn parse(
    bytes: &[u8],
    peer: IpAddr,
    options: &Options,
) -> Result<Option<(Request, usize)>, Response> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Response::text(431, "too many headers")),
        Err(error) => return Err(Response::text(400, format!("the request cannot be parsed: {error}"))),
    };
    if !matches!(parsed.method, Some("GET" | "HEAD" | "OPTIONS")) {
        return Err(Response::text(405, "only GET, HEAD and OPTIONS are answered here")
            .header("Allow", "GET, HEAD, OPTIONS"));
    }
    let target = parsed.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| Response::text(400, "the path is not percent-encoded UTF-8"))?;
    let mut request = Request {
        path: path.into_owned(),
        query: query.to_owned(),
        headers: parsed
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).trim().to_owned()))
            .collect(),
        client_address: peer,
        is_head: parsed.method == Some("HEAD"),
        is_options: parsed.method == Some("OPTIONS"),
        is_websocket: false,
    };
    // HTTP/1.0 has no upgrades.
    request.is_websocket = parsed.version == Some(1) && request.header_contains("upgrade", "websocket");
    if request.values("host").nth(1).is_some() {
        return Err(Response::text(400, "the request has two Host headers"));
    }
    if let Some(header) = options.client_address.header() {
        let forwarded: Vec<&str> = request.values(header).collect();
        let forwarded = forwarded.join(",");
        request.client_address =
            address::client_address(peer, &forwarded, options.client_address, &options.trusted_proxies);
    }
    Ok(Some((request, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Result<Option<Request>, u16> {
        let peer = "192.0.2.1".parse().unwrap();
        super::parse(head.as_bytes(), peer, &crate::test_options::options())
            .map(|found| found.map(|(request, _)| request))
            .map_err(|response| response.status)
    }

    #[test]
    fn a_path_and_its_query_are_decoded() {
        let request = parse("GET /weppcloud/a%3B%3Bb:c?since=1-2&token=x%2By+z HTTP/1.1\r\nHost: h\r\n\r\n")
            .unwrap()
            .unwrap();
        assert_eq!(request.path(), "/weppcloud/a;;b:c");
        assert_eq!(request.query("since").as_deref(), Some("1-2"));
        assert_eq!(request.token(None).as_deref(), Some("x+y z"));
        assert_eq!(request.query("history"), None);
        assert_eq!(request.header("HOST"), Some("h"));
    }

    #[test]
    fn a_token_is_found_wherever_browsers_and_programs_can_put_it() {
        let bearer = "Authorization: bearer b";
        let offered = "Sec-WebSocket-Protocol: chat, bearer, p";
        let cookie = "Cookie: a=1; session=\"c\"; token=no";
        for (query, headers, expected) in [
            ("?token=q", vec![cookie, offered, bearer], Some("b")),
            ("?token=q", vec![cookie, offered], Some("p")),
            ("?token=q", vec!["Sec-WebSocket-Protocol: bearer", "Sec-WebSocket-Protocol: p"], Some("p")),
            ("?token=q", vec![cookie, "Sec-WebSocket-Protocol: bearer"], Some("q")),
            ("", vec![cookie, "Sec-WebSocket-Protocol: chat, v2"], Some("c")),
            ("", vec!["Cookie: other=c"], None),
        ] {
            let head = format!("GET /{query} HTTP/1.1\r\n{}\r\n\r\n", headers.join("\r\n"));
            assert_eq!(parse(&head).unwrap().unwrap().token(Some("session")).as_deref(), expected, "{head}");
        }
        let request = parse(&format!("GET / HTTP/1.1\r\n{cookie}\r\n\r\n")).unwrap().unwrap();
        assert_eq!(request.token(None), None, "cookies count only if that is set");
    }

    #[test]
    fn a_path_with_a_slash_at_its_end_is_the_path_without() {
        for path in ["/a/run", "/a/run/", "/a/run//"] {
            let request = parse(&format!("GET {path} HTTP/1.1\r\n\r\n")).unwrap().unwrap();
            assert_eq!(request.segments_from_end().collect::<Vec<_>>(), ["run", "a", ""], "{path}");
        }
    }

    #[test]
    fn an_invalid_request_is_rejected_with_its_status() {
        assert!(parse("GET /a HTTP/1.1\r\nHost:").unwrap().is_none(), "the head is not complete");
        assert_eq!(parse("\x16\x03\x01 garbage\r\n\r\n").unwrap_err(), 400);
        assert_eq!(parse("POST / HTTP/1.1\r\n\r\n").unwrap_err(), 405);
        assert_eq!(parse("GET /%ff HTTP/1.1\r\n\r\n").unwrap_err(), 400);
        assert_eq!(parse("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").unwrap_err(), 400);
        let many = (0..200).map(|n| format!("h{n}: v\r\n")).collect::<String>();
        assert_eq!(parse(&format!("GET / HTTP/1.1\r\n{many}\r\n")).unwrap_err(), 431);
    }
}
