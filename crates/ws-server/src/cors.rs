//! What tells a browser that a page on another origin may read the answers (CORS).

use crate::request::Request;
use crate::response::Response;
use web_security::Origins;

/// The headers of every answer to a request of an allowed page. Credentials, which are cookies, are for the pages of a list
/// only: where every page is allowed, none may use them.
pub(crate) fn headers(request: &Request, origins: &Origins) -> Vec<(&'static str, String)> {
    let Some(origin) = request.header("origin") else { return Vec::new() };
    let mut headers = vec![("Access-Control-Allow-Origin", origin.to_owned()), ("Vary", "Origin".to_owned())];
    if origins.are_limited() {
        headers.push(("Access-Control-Allow-Credentials", "true".to_owned()));
    }
    headers
}

/// The answer to OPTIONS, with which a browser asks before a request that has headers of its own, such as a token.
pub(crate) fn preflight() -> Response {
    Response::new(200, "text/plain", "")
        .header("Allow", "GET, HEAD, OPTIONS")
        .header("Access-Control-Allow-Methods", "GET, HEAD")
        .header("Access-Control-Allow-Headers", "Authorization, Cache-Control, Last-Event-ID")
        .header("Access-Control-Max-Age", "600")
}
