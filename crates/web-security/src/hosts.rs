//! Under which names the service may be asked.
//!
//! A browser takes a page for one of the service's own if both have the same name. Whoever owns a name can point it at the
//! service after the page was loaded (DNS rebinding), so a name that is not the service's must be refused.

use crate::authority::Authority;
use crate::origins::Origins;
use crate::wildcard;

/// The names of the service: wildcard patterns for the host or `host:port` of the header `Host`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Parses a comma-separated list such as `status.example.org, *.internal`.
    pub fn parse(list: &str) -> Self {
        Self(wildcard::parse_list(list))
    }

    /// Adds a name, with or without a port, unless it is empty.
    #[must_use]
    pub fn with(mut self, name: &str) -> Self {
        self.0.extend(wildcard::parse_list(name));
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a page of this `Origin` is one of the service's own, when its request has this `Host`.
    pub fn are_of(&self, origin: &str, host: Option<&str>) -> bool {
        let origin = origin.trim().to_ascii_lowercase();
        let Some(authority) = Authority::of_origin(&origin) else { return false };
        host.is_some_and(|host| host.trim().eq_ignore_ascii_case(authority.text)) || self.match_any(authority)
    }

    fn match_any(&self, authority: Authority<'_>) -> bool {
        self.0.iter().any(|pattern| authority.matches(pattern))
    }

    /// Whether a request with this `Host` is for this service. Addresses, `localhost` and the hosts of allowed origins are its
    /// names too, and so is a name without a dot (`status-proxy`, as in Docker): nobody else can have them point somewhere. A
    /// request without a host comes from no browser.
    pub fn allow(&self, host: Option<&str>, origins: &Origins) -> bool {
        let Some(host) = host.map(|host| host.trim().to_ascii_lowercase()) else { return true };
        let Some(authority) = Authority::parse(&host) else { return false };
        let name = authority.host.trim_end_matches('.');
        authority.address().is_some()
            || !name.contains('.')
            || name.ends_with(".localhost")
            || self.match_any(authority)
            || origins.allow_host(authority)
    }
}

impl From<&str> for Hosts {
    fn from(list: &str) -> Self {
        Self::parse(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_has_the_names_of_the_setting_loopback_addresses_and_those_of_allowed_origins() {
        let hosts = Hosts::parse("Status.example.org, *.internal:9002");
        let origins = Origins::parse("https://www.example.org");
        for (host, expected) in [
            ("status.example.org", true),
            ("STATUS.example.org:443", true),
            ("a.internal:9002", true),
            ("a.internal:80", false),
            ("www.example.org", true),
            ("localhost:9002", true),
            ("LOCALHOST.", true),
            ("status-proxy:9002", true),
            ("app.localhost", true),
            ("127.0.0.1:9002", true),
            ("203.0.113.7", true),
            ("[::1]:9002", true),
            ("evil.test:9002", false),
            ("localhost.evil.test", false),
            ("127.0.0.1.evil.test", false),
            ("status.example.org.evil.test", false),
            ("evil.test/status.example.org", false),
            ("status.example.org@evil.test", false),
            ("evil.test:status.example.org", false),
            ("", false),
        ] {
            assert_eq!(hosts.allow(Some(host), &origins), expected, "{host}");
        }
        assert!(hosts.allow(None, &origins));
        assert!(Hosts::parse("*").allow(Some("any.test"), &Origins::default()));
    }

    #[test]
    fn a_page_is_the_services_own_if_its_origin_is_the_requests_host_or_in_the_list() {
        let hosts = Hosts::parse("shop.example.org");
        for (origin, host, expected) in [
            ("http://localhost:8000", Some("localhost:8000"), true),
            ("https://LOCALHOST:8000", Some("localhost:8000"), true),
            ("https://shop.example.org", Some("10.0.0.7:8000"), true),
            ("http://localhost:3000", Some("localhost:8000"), false),
            ("https://evil.test", Some("shop.example.org"), false),
            ("https://evil.test/shop.example.org", Some("shop.example.org"), false),
            ("http://localhost:8000", None, false),
            ("null", Some("null"), false),
            ("", Some(""), false),
        ] {
            assert_eq!(hosts.are_of(origin, host), expected, "{origin} at {host:?}");
        }
    }
}
