use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Guard, HttpSettings, Refusal};

/// What becomes of a request with these headers. `OPERATOR_TOKEN` and `ALLOWED_HOSTS` are the settings.
fn check(settings: (&str, &str), request: (&Method, &str), headers: &[(&str, &str)]) -> Result<(), Refusal> {
    let (token, hosts) = settings;
    let guard = Guard::new(&HttpSettings {
        operator_token: Some(token.to_owned()).filter(|token| !token.is_empty()),
        allowed_hosts: web_security::Hosts::parse(hosts),
    });
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (HeaderName::try_from(*name).expect("a name"), HeaderValue::try_from(*value).expect("a value"))
        })
        .collect();
    guard.check(request.0, request.1, &headers)
}

#[test]
fn a_program_that_is_no_browser_may_do_all_without_a_token() {
    for host in ["shop.example.org", "10.0.0.7:8000", "scenario-player:8000"] {
        assert_eq!(check(("", ""), (&Method::POST, "/scenario"), &[("host", host)]), Ok(()));
    }
    assert_eq!(check(("", ""), (&Method::DELETE, "/objects"), &[]), Ok(()));
}

#[test]
fn a_browser_must_know_the_service_under_one_of_its_names() {
    for browser in
        [("accept-language", "x"), ("origin", "http://evil.test"), ("sec-fetch-site", "same-origin")]
    {
        let get = |settings, host| check(settings, (&Method::GET, "/objects"), &[("host", host), browser]);
        assert_eq!(get(("", ""), "evil.test:8000"), Err(Refusal::Host), "{browser:?}");
        assert_eq!(get(("", ""), "127.0.0.1.evil.test"), Err(Refusal::Host));
        for host in ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "nas:8000", "a.localhost"] {
            assert_eq!(get(("", ""), host), Ok(()), "{host}");
        }
        assert_eq!(get(("", "shop.example.org, *.internal"), "shop.example.org:8000"), Ok(()));
        assert_eq!(get(("", "shop.example.org, *.internal"), "a.internal"), Ok(()));
        // The token is what protects then: a stranger's page has none.
        assert_eq!(get(("secret", ""), "evil.test"), Err(Refusal::Unauthorized));
    }
}

#[test]
fn a_page_of_another_site_may_change_nothing() {
    let own = ("host", "localhost:8000");
    let post = |headers: &[_]| check(("", "shop.example.org"), (&Method::POST, "/scenario"), headers);
    for headers in [
        [own, ("origin", "http://evil.test")],
        [own, ("origin", "null")],
        [own, ("origin", "http://localhost:3000")],
        [own, ("sec-fetch-site", "cross-site")],
        [own, ("sec-fetch-site", "same-site")],
    ] {
        assert_eq!(post(&headers), Err(Refusal::CrossSite), "{headers:?}");
    }
    for headers in [
        [own, ("origin", "http://localhost:8000")],
        [own, ("origin", "https://shop.example.org")],
        [own, ("sec-fetch-site", "same-origin")],
        [own, ("sec-fetch-site", "none")],
    ] {
        assert_eq!(post(&headers), Ok(()), "{headers:?}");
    }
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        let headers = [own, ("sec-fetch-site", "cross-site")];
        assert_eq!(check(("", ""), (&method, "/"), &headers), Ok(()), "a link from another site");
    }
}

#[test]
fn each_request_but_a_probe_needs_the_token_if_there_is_one() {
    let get = |path, authorization| {
        check(("secret", ""), (&Method::GET, path), &[("authorization", authorization)])
    };
    // The second is Basic with operator:secret, the third with operator:wrong.
    for authorization in ["Bearer secret", "Basic b3BlcmF0b3I6c2VjcmV0"] {
        assert_eq!(get("/", authorization), Ok(()));
    }
    for authorization in
        ["Basic b3BlcmF0b3I6d3Jvbmc=", "Bearer secre", "Bearer secrets", "Bearer ", "secret", ""]
    {
        assert_eq!(get("/", authorization), Err(Refusal::Unauthorized), "{authorization}");
    }
    for path in ["/health", "/ready", "/metrics", "/metrics/history"] {
        assert_eq!(get(path, ""), Ok(()));
    }
    for path in ["/health/", "//health", "/HEALTH", "/metrics/x"] {
        assert_eq!(get(path, ""), Err(Refusal::Unauthorized), "{path}");
    }
    let from_another_site = [("authorization", "Bearer secret"), ("origin", "http://evil.test")];
    assert_eq!(check(("secret", ""), (&Method::POST, "/"), &from_another_site), Err(Refusal::CrossSite));
}
