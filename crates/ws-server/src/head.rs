//! Reads the head of a request.

use std::io;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::address;
use crate::options::Options;
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
    loop {
        if let Some((request, length)) = parse(&bytes, peer, options).map_err(HeadError::Rejected)? {
            return Ok((request, bytes.split_off(length)));
        }
        if bytes.len() >= MAX_HEAD {
            return Err(HeadError::Rejected(Response::text(431, "the head of the request is too long")));
        }
        match stream.read_buf(&mut bytes).await {
            Ok(0) => return Err(HeadError::Disconnected),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(HeadError::Disconnected),
        }
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
    let is_head = match parsed.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => {
            return Err(
                Response::text(405, "only GET and HEAD are answered here").header("Allow", "GET, HEAD")
            );
        }
    };
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
        is_head,
        is_websocket: false,
    };
    request.is_websocket = request.header_contains("upgrade", "websocket");
    let forwarded: Vec<&str> = request
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"))
        .map(|(_, v)| v.as_str())
        .collect();
    request.client_address =
        address::client_address(peer, Some(&forwarded.join(",")), &options.trusted_proxies);
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
        assert_eq!(request.token().as_deref(), Some("x+y z"));
        assert_eq!(request.query("history"), None);
        assert_eq!(request.header("HOST"), Some("h"));
    }

    #[test]
    fn a_bearer_token_takes_precedence_over_one_in_the_query() {
        let request = parse("GET /?token=a HTTP/1.1\r\nAuthorization: bearer b\r\n\r\n").unwrap().unwrap();
        assert_eq!(request.token().as_deref(), Some("b"));
    }

    #[test]
    fn an_invalid_request_is_rejected_with_its_status() {
        assert!(parse("GET /a HTTP/1.1\r\nHost:").unwrap().is_none(), "the head is not complete");
        assert_eq!(parse("\x16\x03\x01 garbage\r\n\r\n").unwrap_err(), 400);
        assert_eq!(parse("POST / HTTP/1.1\r\n\r\n").unwrap_err(), 405);
        assert_eq!(parse("GET /%ff HTTP/1.1\r\n\r\n").unwrap_err(), 400);
        let many = (0..200).map(|n| format!("h{n}: v\r\n")).collect::<String>();
        assert_eq!(parse(&format!("GET / HTTP/1.1\r\n{many}\r\n")).unwrap_err(), 431);
    }
}
