//! Addresses: which networks a setting names, and which client a request comes from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Parses a network such as `10.0.0.0/8` or `fd00::/8`, or a single address.
///
/// # Errors
/// Says what the text must be.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    let parse = || {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().ok()?;
        prefix.map_or(Some(address.into()), |prefix| IpNet::new(address, prefix).ok())
    };
    parse().ok_or_else(|| format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"))
}

/// How trusted proxies name the address of the client. A proxy passes on what a client writes into the headers that it does
/// not set itself, so only one of these is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAddress {
    /// The header `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// The header `Forwarded` of RFC 7239.
    Forwarded,
    /// The PROXY protocol, version 1 or 2: each connection from a trusted proxy must begin with it.
    ProxyProtocol,
}

impl ClientAddress {
    /// The header that names the client, if one does.
    pub(crate) fn header(self) -> Option<&'static str> {
        match self {
            Self::XForwardedFor => Some("x-forwarded-for"),
            Self::Forwarded => Some("forwarded"),
            Self::ProxyProtocol => None,
        }
    }
}

/// The address of the client. `forwarded` is the value of the header, in which each proxy appends where its connection came
/// from. The last address that is no trusted proxy is the client. If something else than an address is met before that,
/// nobody knows more than the proxy that wrote it.
pub(crate) fn client_address(
    peer: IpAddr,
    forwarded: &str,
    source: ClientAddress,
    trusted: &[IpNet],
) -> IpAddr {
    let mut client = peer.to_canonical();
    let mut hops = forwarded.rsplit(',').map(|hop| match source {
        ClientAddress::Forwarded => parse_node(forwarded_for(hop)?),
        _ => parse_node(hop),
    });
    while is_trusted(client, trusted) {
        let Some(Some(next)) = hops.next() else { break };
        client = next.to_canonical();
    }
    client
}

/// The node of `for=` in an element of `Forwarded`, such as `by=10.0.0.1;for="[2001:db8::1]:4711"`.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(name, node)| name.trim().eq_ignore_ascii_case("for").then_some(node))
}

/// An address, possibly with a port, in brackets or in quotes. `unknown` and `_names` are no addresses.
fn parse_node(node: &str) -> Option<IpAddr> {
    let node = node.trim();
    let node = node.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(node);
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    if let Some((address, port)) = node.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let is_complete = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return is_complete.then(|| address.parse::<Ipv6Addr>().ok().map(IpAddr::V6))?;
    }
    node.parse().ok().or_else(|| {
        let (address, _) = node.split_once(':').filter(|(_, port)| is_port(port))?;
        address.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    })
}

/// Whether one of the networks contains the address, which must be canonical: not an IPv4 address mapped to IPv6.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_contains_the_addresses_that_share_its_prefix() {
        let contains =
            |network, address| is_trusted(ip(address).to_canonical(), &[parse_network(network).unwrap()]);
        for network in ["10.1.0.0/16", "10.1.2.3/16", " 10.1.0.0/16"] {
            assert!(contains(network, "10.1.255.1") && contains(network, "::ffff:10.1.2.3"));
            assert!(!contains(network, "10.2.0.1") && !contains(network, "fd00::1"));
        }
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(contains("::1", "::1") && !contains("::1", "::2"));
        assert!(contains(" 10.0.0.1 ", "10.0.0.1") && !contains("10.0.0.1", "10.0.0.2"));
        for wrong in ["", "10.0.0.0/33", "10.0.0.0/300", "10.0.0", "10.0.0.0/x", "host"] {
            assert!(parse_network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_may_name_the_client() {
        let trusted = [parse_network("10.0.0.0/8").unwrap()];
        let client =
            |peer, forwarded| client_address(ip(peer), forwarded, ClientAddress::XForwardedFor, &trusted);
        let forwarded = "6.6.6.6, 203.0.113.7, 10.0.0.3";
        assert_eq!(client("10.0.0.2", forwarded), ip("203.0.113.7"));
        assert_eq!(client("198.51.100.1", forwarded), ip("198.51.100.1"));
        assert_eq!(client("10.0.0.2", ""), ip("10.0.0.2"));
    }

    #[test]
    fn an_address_has_a_port_or_brackets_or_is_garbage_in_whatever_header_it_stands() {
        let trusted = [parse_network("10.0.0.0/8").unwrap()];
        for (node, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:47011", "203.0.113.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            (" \"203.0.113.7:1\" ", "203.0.113.7"),
            ("10.9.9.9", "10.9.9.9"),
            // What is no address ends at the proxy that wrote it.
            ("unknown", "10.0.0.3"),
            ("_secret", "10.0.0.3"),
            ("", "10.0.0.3"),
            ("203.0.113.7:x", "10.0.0.3"),
            ("203.0.113.7:99999", "10.0.0.3"),
            ("[203.0.113.7]", "10.0.0.3"),
            ("[2001:db8::1", "10.0.0.3"),
            ("[2001:db8::1]443", "10.0.0.3"),
            ("<script>", "10.0.0.3"),
        ] {
            let chain = format!("6.6.6.6, {node}, 10.0.0.3");
            let chain = if node == "10.9.9.9" { chain.replace("6.6.6.6, ", "") } else { chain };
            let found = client_address(ip("10.0.0.2"), &chain, ClientAddress::XForwardedFor, &trusted);
            assert_eq!(found, ip(expected), "{chain}");
            let chain: Vec<_> =
                chain.split(',').map(|node| format!("proto=https;For={};by=_x", node.trim())).collect();
            let found = client_address(ip("10.0.0.2"), &chain.join(", "), ClientAddress::Forwarded, &trusted);
            assert_eq!(found, ip(expected), "{chain:?}");
        }
        let without = client_address(ip("10.0.0.2"), "proto=http;host=h", ClientAddress::Forwarded, &trusted);
        assert_eq!(without, ip("10.0.0.2"));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_fail(header in ".*", source in 0..2) {
            let trusted = [parse_network("0.0.0.0/0").unwrap(), parse_network("::/0").unwrap()];
            let source = [ClientAddress::XForwardedFor, ClientAddress::Forwarded][source as usize];
            client_address(ip("10.0.0.2"), &header, source, &trusted);
        }
    }
}
