//! Which web pages may connect.

use crate::authority::Authority;
use crate::wildcard;

/// Allowed origins. Each is a wildcard pattern for a page's host, `host:port` or `scheme://host:port`. Letter case does not
/// matter. An empty list allows every page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Parses a comma-separated list such as `*.example.org, localhost:*`.
    pub fn parse(list: &str) -> Self {
        Self(wildcard::parse_list(list))
    }

    /// Whether not every page may connect.
    pub fn are_limited(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether a page with this `Origin` may connect, when its request has this `Host`. A request without an origin is
    /// allowed because it does not come from a browser, and a page may always connect to its own host. What is no origin
    /// is refused.
    pub fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin.map(|origin| origin.trim().to_ascii_lowercase()) else { return true };
        if matches!(origin.as_str(), "null" | "file://") {
            // Pages without a host, such as files and sandboxed frames.
            return self.0.is_empty() || self.0.iter().any(|pattern| wildcard::matches(pattern, &origin));
        }
        let Some(authority) = Authority::of_origin(&origin) else { return false };
        self.0.is_empty()
            || host.is_some_and(|host| host.trim().eq_ignore_ascii_case(authority.text))
            || self.0.iter().any(|pattern| match pattern.contains("://") {
                true => wildcard::matches(pattern, &origin),
                false => authority.matches(pattern),
            })
    }

    /// Whether a page on this host may connect, whatever its scheme.
    pub(crate) fn allow_host(&self, authority: Authority<'_>) -> bool {
        self.0.iter().any(|pattern| authority.matches(pattern.rsplit("://").next().unwrap_or_default()))
    }
}

impl From<&str> for Origins {
    fn from(list: &str) -> Self {
        Self::parse(list)
    }
}

#[cfg(test)]
mod tests {
    use super::Origins;

    #[test]
    fn an_empty_list_allows_every_page() {
        for origin in [
            "https://anywhere.example",
            "null",
            "file://",
            "chrome-extension://abcdef",
            "capacitor://localhost",
        ] {
            assert!(Origins::parse(" , ").allow(Some(origin), Some("here:9002")), "{origin}");
        }
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
    fn what_is_no_origin_is_refused() {
        for origin in [
            "https://evil.test/a.example.org",
            "https://evil.test?a.example.org",
            "https://evil.test#a.example.org",
            "https://evil.test\\a.example.org",
            "https://evil.test@a.example.org",
            "https://evil.test:80:a.example.org",
            "https://evil.test https://a.example.org",
            "https://evil.test,https://a.example.org",
            "https://evil.test%2fa.example.org",
            "https://a.example.org:",
            "https://a.example.org:x",
            "https://a.example.org:99999",
            "https://a.example.org/",
            "https://",
            "://a.example.org",
            "//a.example.org",
            "1s://a.example.org",
            "a.example.org",
            "",
        ] {
            for list in ["*.example.org", "https://*.example.org", "*", ""] {
                assert!(
                    !Origins::parse(list).allow(Some(origin), Some("a.example.org")),
                    "{origin} with {list:?}"
                );
            }
        }
    }

    #[test]
    fn a_request_to_the_pages_own_host_and_one_without_an_origin_are_allowed() {
        let origins = Origins::parse("nothing.example");
        assert!(origins.allow(None, None));
        assert!(origins.allow(Some("http://Proxy.example:9002"), Some("proxy.example:9002")));
        assert!(!origins.allow(Some("http://proxy.example:9003"), Some("proxy.example:9002")));
        assert!(origins.allow(Some("http://[::1]:9002"), Some("[::1]:9002")));
    }
}
