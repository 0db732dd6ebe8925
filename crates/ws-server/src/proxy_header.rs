//! The PROXY protocol: a header with which a proxy begins a connection, to name the address of the client.

use std::net::IpAddr;

use ppp::{v1, v2};

/// The longest header of version 1, with its line end.
const MAX_V1: usize = 107;
/// Of version 2: what precedes the addresses, and the longest header that is accepted.
const FIXED_V2: usize = 16;
const MAX_V2: usize = 4096;

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyHeader {
    /// More bytes are needed.
    Incomplete,
    /// It is no PROXY header.
    Invalid,
    /// A header of this length. It names no client if the proxy opened the connection by itself, or does not know.
    Complete { length: usize, client: Option<IpAddr> },
}

/// Parses the beginning of a connection.
pub(crate) fn parse(bytes: &[u8]) -> ProxyHeader {
    if begins_with(bytes, v2::PROTOCOL_PREFIX) {
        parse_v2(bytes)
    } else if begins_with(bytes, v1::PROTOCOL_PREFIX.as_bytes()) {
        parse_v1(bytes)
    } else {
        ProxyHeader::Invalid
    }
}

/// As far as there are bytes.
fn begins_with(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.iter().zip(prefix).all(|(byte, expected)| byte == expected)
}

fn parse_v1(bytes: &[u8]) -> ProxyHeader {
    let Some(end) = bytes.windows(2).take(MAX_V1 - 1).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < MAX_V1 { ProxyHeader::Incomplete } else { ProxyHeader::Invalid };
    };
    let length = end + 2;
    match v1::Header::try_from(&bytes[..length]) {
        Ok(header) => ProxyHeader::Complete {
            length,
            client: match header.addresses {
                v1::Addresses::Tcp4(pair) => Some(pair.source_address.into()),
                v1::Addresses::Tcp6(pair) => Some(pair.source_address.into()),
                v1::Addresses::Unknown => None,
            },
        },
        Err(_) => ProxyHeader::Invalid,
    }
}

fn parse_v2(bytes: &[u8]) -> ProxyHeader {
    let Some(length) = bytes.get(FIXED_V2 - 2..FIXED_V2) else { return ProxyHeader::Incomplete };
    let length = FIXED_V2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > MAX_V2 {
        return ProxyHeader::Invalid;
    }
    let Some(header) = bytes.get(..length) else { return ProxyHeader::Incomplete };
    match v2::Header::try_from(header) {
        Ok(header) => ProxyHeader::Complete {
            length,
            client: match (header.command, header.addresses) {
                (v2::Command::Proxy, v2::Addresses::IPv4(pair)) => Some(pair.source_address.into()),
                (v2::Command::Proxy, v2::Addresses::IPv6(pair)) => Some(pair.source_address.into()),
                _ => None,
            },
        },
        Err(_) => ProxyHeader::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const V2_IPV4: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x0a\0\0\x01\xb7\xa3\x23\x2a";

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = (addresses.len() as u16).to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length, addresses].concat()
    }

    fn complete(bytes: &[u8], client: Option<&str>) {
        let expected =
            ProxyHeader::Complete { length: bytes.len(), client: client.map(|text| text.parse().unwrap()) };
        let request = [bytes, b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(parse(&request), expected, "{bytes:?}");
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), ProxyHeader::Incomplete, "{length} of {bytes:?}");
        }
    }

    #[test]
    fn both_versions_are_read_at_whatever_byte_they_are_split() {
        complete(b"PROXY TCP4 203.0.113.7 10.0.0.1 47011 9002\r\n", Some("203.0.113.7"));
        complete(b"PROXY TCP6 2001:db8::1 fd00::1 47011 9002\r\n", Some("2001:db8::1"));
        complete(b"PROXY UNKNOWN\r\n", None);
        complete(b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None);
        complete(V2_IPV4, Some("203.0.113.7"));
        let v6 = [&"2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets()[..], &[0; 20]].concat();
        complete(&v2(1, 0x21, &v6), Some("2001:db8::1"));
        // With additional values, by the proxy itself, and over a Unix socket.
        complete(&v2(1, 0x11, &[&V2_IPV4[16..], &[4, 0, 1, 0]].concat()), Some("203.0.113.7"));
        complete(&v2(0, 0, &[]), None);
        complete(&v2(0, 0x11, &V2_IPV4[16..]), None);
        complete(&v2(1, 0x31, &[0; 216]), None);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let too_long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(200));
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"\x16\x03\x01",
            b"PROXX ",
            b"PROXY TCP4 evil 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 203.0.113.7\r\n",
            b"PROXY TCP5 203.0.113.7 10.0.0.1 1 2\r\n",
            too_long.as_bytes(),
            &v2(1, 0x11, &[1, 2, 3]),
            &v2(2, 0x11, &V2_IPV4[16..]),
            &v2(1, 0x11, &[0; 5000]),
        ] {
            assert_eq!(parse(bytes), ProxyHeader::Invalid, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_fail(version in 0..3, mut rest: Vec<u8>) {
            let begin: &[u8] = [b"PROXY TCP4 ".as_slice(), v2::PROTOCOL_PREFIX, b""][version as usize];
            rest.splice(0..0, begin.iter().copied());
            if let ProxyHeader::Complete { length, .. } = parse(&rest) {
                prop_assert!(length <= rest.len());
            }
        }
    }
}
