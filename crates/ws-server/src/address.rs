//! Addresses: which networks a setting names, and which client a request comes from.

use std::net::IpAddr;

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

/// The address of the client. If the peer is a trusted proxy, that is the last address of `X-Forwarded-For` that is not
/// itself a trusted proxy.
pub(crate) fn client_address(peer: IpAddr, forwarded_for: Option<&str>, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    forwarded_for
        .unwrap_or_default()
        .rsplit(',')
        .map_while(|part| part.trim().parse::<IpAddr>().ok())
        .map(|address| address.to_canonical())
        .find(|&address| !is_trusted(address, trusted))
        .unwrap_or(peer)
}

/// Whether one of the networks contains the address, which must be canonical: not an IPv4 address mapped to IPv6.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let forwarded = Some("6.6.6.6, 203.0.113.7, 10.0.0.3");
        assert_eq!(client_address(ip("10.0.0.2"), forwarded, &trusted), ip("203.0.113.7"));
        assert_eq!(client_address(ip("198.51.100.1"), forwarded, &trusted), ip("198.51.100.1"));
        assert_eq!(client_address(ip("10.0.0.2"), None, &trusted), ip("10.0.0.2"));
        assert_eq!(client_address(ip("10.0.0.2"), Some("garbage"), &trusted), ip("10.0.0.2"));
    }
}
