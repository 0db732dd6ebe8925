//! What other people's pages and programs without the operator's token ask of a service.

use reqwest::{Client, RequestBuilder};

use crate::ServiceProcess;

/// Checks that other sites' pages cannot make these requests (`DELETE /path`), which change something, of a service without a
/// token: neither from their own site, nor under a name of theirs that leads to the service. Programs and its own pages can.
pub async fn check_other_sites(service: &ServiceProcess, changes: &[&str]) {
    let ask = |request: &str, headers: &[(&str, &str)]| {
        let request = build(service, request);
        status(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    };
    for change in changes {
        for origin in
            ["https://evil.test", "null", "http://127.0.0.1.evil.test", "https://evil.test/127.0.0.1"]
        {
            assert_eq!(ask(change, &[("origin", origin)]).await, 403, "{change} from {origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert_eq!(ask(change, &[("sec-fetch-site", site)]).await, 403, "{change} {site}");
        }
        let own_page = [("origin", &*service.base_url()), ("sec-fetch-site", "same-origin")];
        for headers in [&[][..], &own_page, &[("host", "stranger.test")]] {
            let status = ask(change, headers).await;
            assert!(![401, 403, 421].contains(&status), "{change} {headers:?}: {status}");
        }
    }
    for request in ["GET /"].iter().chain(changes) {
        let rebound = [("host", "stranger.test"), ("accept-language", "en")];
        assert_eq!(ask(request, &rebound).await, 421, "{request} of a browser");
    }
}

/// Checks that these requests (`GET /path`) need the token `secret`, which the service was started with, and the probes do not.
/// Those that change something are refused with it too, if another site's page makes them: its browser may know the token.
pub async fn check_token(service: &ServiceProcess, requests: &[&str]) {
    for request in requests {
        let ask = || build(service, request);
        let wrong = [
            ask(),
            ask().bearer_auth("secre"),
            ask().bearer_auth("secrets"),
            ask().basic_auth("secret", Some("")),
        ];
        for wrong in wrong {
            assert_eq!(status(wrong).await, 401, "{request}");
        }
        for right in [ask().bearer_auth("secret"), ask().basic_auth("anybody", Some("secret"))] {
            assert_ne!(status(right).await, 401, "{request}");
        }
        if !request.starts_with("GET ") {
            for (name, value) in [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")] {
                let foreign = ask().basic_auth("anybody", Some("secret")).header(name, value);
                assert_eq!(status(foreign).await, 403, "{request} of a page with {name}: {value}");
            }
        }
    }
    for probe in ["/health", "/ready", "/metrics", "/metrics/history"] {
        assert_ne!(service.get(probe).await.0, 401, "{probe}");
    }
}

fn build(service: &ServiceProcess, request: &str) -> RequestBuilder {
    let (method, path) = request.split_once(' ').expect("a method and a path");
    Client::new().request(method.parse().expect("a method"), format!("{}{path}", service.base_url()))
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.expect("the service answers").status().as_u16()
}
