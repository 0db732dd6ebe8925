//! Which web pages may connect.

use crate::wildcard;

/// Allowed origins. Each is a wildcard pattern for a page's host, `host:port` or `scheme://host:port`. Letter case does not
/// matter. An empty list allows every page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Parses a comma-separated list such as `*.example.org, localhost:*`.
    pub fn parse(list: &str) -> Self {
        Self(list.split(',').map(|p| p.trim().to_ascii_lowercase()).filter(|p| !p.is_empty()).collect())
    }

    /// Whether a page with this `Origin` may connect, when its request has this `Host`. A request without an origin is
    /// allowed because it does not come from a browser, and a page may always connect to its own host.
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
    fn a_pattern_matches_the_host_or_host_and_port_in_any_letter_case() {
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
    fn a_request_to_the_pages_own_host_and_one_without_an_origin_are_allowed() {
        let origins = Origins::parse("nothing.example");
        assert!(origins.allow(None, None));
        assert!(origins.allow(Some("http://Proxy.example:9002"), Some("proxy.example:9002")));
        assert!(!origins.allow(Some("http://proxy.example:9003"), Some("proxy.example:9002")));
    }
}
