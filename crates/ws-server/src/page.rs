//! The services' own pages and the stylesheet that they share. A page is one file: it loads nothing else and needs no build.

use crate::response::Response;

/// The shared stylesheet.
pub const STYLESHEET: &str = include_str!("page.css");

/// The response with a page, in which the stylesheet replaces `/*style*/`. Its headers forbid the page to load anything,
/// and forbid other sites to put it in a frame.
pub fn html(page: &str) -> Response {
    let page = page.replacen("/*style*/", STYLESHEET, 1);
    let policy = web_security::content_security_policy(&page);
    let response = Response::new(200, "text/html; charset=utf-8", page)
        .header("Cache-Control", "no-cache")
        .header("Content-Security-Policy", policy);
    web_security::HEADERS.into_iter().fold(response, |response, (name, value)| response.header(name, value))
}
