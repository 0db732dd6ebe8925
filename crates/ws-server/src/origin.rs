//! Which web pages may open a socket.

use crate::wildcard;

/// Allowed origins: wildcards over a page's host, `host:port` or `scheme://host:port`, whatever the letter case.
/// An empty list allows every page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Reads a comma-separated list, such as `*.example.org, localhost:*`.
    pub fn parse(list: &str) -> Self {
        Self(list.split(',').map(|p| p.trim().to_ascii_lowercase()).filter(|p| !p.is_empty()).collect())
    }

    /// Whether a page with this `Origin` may connect to the server that it calls `host`.
    /// A program that is no browser sends no origin, and a page may always call its own host.
    pub(crate) fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        if self.0.is_empty() {
            return true;
        }
        let origin = origin.trim().to_ascii_lowercase();
        let authority = origin.split_once("://").map_or(origin.as_str(), |(_, rest)| rest);
        let name = match authority.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => authority,
        };
        host.is_some_and(|host| host.trim().eq_ignore_ascii_case(authority))
            || self.0.iter().any(|pattern| {
                let subjects: &[&str] = if pattern.contains("://") { &[&origin] } else { &[name, authority] };
                subjects.iter().any(|subject| wildcard::matches(pattern, subject))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::Origins;

    #[test]
    fn an_empty_list_allows_every_page() {
        assert!(Origins::parse(" , ").allow(Some("https://anywhere.example"), Some("here:9002")));
    }

    #[test]
    fn a_pattern_matches_the_host_or_host_and_port_whatever_the_case() {
        let origins = Origins::parse("*.Example.org, localhost:3000,https://strict.example");
        for (origin, expected) in [
            ("https://www.example.org", true),
            ("HTTPS://WWW.EXAMPLE.ORG:8443", true),
            ("https://example.org", false),
            ("https://example.org.evil.test", false),
            ("http://localhost:3000", true),
            ("http://localhost:3001", false),
            ("https://strict.example", true),
            ("http://strict.example", false),
            ("null", false),
        ] {
            assert_eq!(origins.allow(Some(origin), Some("me:1")), expected, "{origin}");
        }
    }

    #[test]
    fn the_pages_own_host_and_a_missing_origin_pass() {
        let origins = Origins::parse("nothing.example");
        assert!(origins.allow(None, None));
        assert!(origins.allow(Some("http://Proxy.example:9002"), Some("proxy.example:9002")));
        assert!(!origins.allow(Some("http://proxy.example:9003"), Some("proxy.example:9002")));
    }
}
