//! The host of a URL, with or without a port.

use std::net::{IpAddr, Ipv6Addr};

use crate::wildcard;

/// `host` or `host:port`, as in the header `Host` and in an origin. An IPv6 address is in brackets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authority<'a> {
    /// All of it.
    pub(crate) text: &'a str,
    /// Without the port.
    pub(crate) host: &'a str,
}

impl<'a> Authority<'a> {
    /// `None` if it is anything else. A user name, a path and the like are not part of an authority here.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let host_length = match text.strip_prefix('[') {
            Some(rest) => rest.find(']')? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at(host_length);
        let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
        let is_complete = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        let authority = Self { text, host };
        let is_host = match host.starts_with('[') {
            true => authority.address().is_some(),
            false => !host.is_empty() && host.bytes().all(is_name_byte),
        };
        (is_complete && is_host).then_some(authority)
    }

    /// The authority of an origin: `scheme://host` or `scheme://host:port`, and nothing else (RFC 6454, section 7).
    pub(crate) fn of_origin(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        is_scheme.then(|| Self::parse(authority))?
    }

    /// The host, if it is an address.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self.host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            None => self.host.parse().ok(),
        }
    }

    /// Whether a wildcard pattern in lower case matches the host, or the host and the port.
    pub(crate) fn matches(self, pattern: &str) -> bool {
        wildcard::matches(pattern, self.host) || wildcard::matches(pattern, self.text)
    }
}

/// Letters, digits, and what else names have. Bytes above 127 are those of names that were not converted to ASCII.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || byte >= 0x80
}
