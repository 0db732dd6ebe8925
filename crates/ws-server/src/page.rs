//! The services' own pages: what they share, and how they are put together. A page is one file: it loads nothing else and
//! needs no build.

use crate::response::Response;

/// The colours of all pages, also of those that are not served from here, and what these pages have alike.
const STYLESHEETS: [&str; 2] =
    [include_str!("../../../haproxy/console/palette.css"), include_str!("page.css")];
/// The client library for browsers, and what the pages do alike.
const SHARED_SCRIPTS: [&str; 2] = [include_str!("../../../clients/js/backplane.js"), include_str!("page.js")];

/// The response with a page: its HTML, in which the shared stylesheets replace `/*style*/`, and behind it one module of the
/// shared scripts and its own. Its headers forbid the page to load anything, and forbid other sites to put it in a frame.
pub fn html(html: &str, scripts: &[&str]) -> Response {
    let html = html.replacen("/*style*/", &STYLESHEETS.concat(), 1);
    let scripts = [&SHARED_SCRIPTS, scripts].concat().concat();
    let page = format!("{html}<script type=\"module\">\n{scripts}</script>\n</html>\n");
    let policy = web_security::content_security_policy(&page);
    let response = Response::new(200, "text/html; charset=utf-8", page)
        .header("Cache-Control", "no-cache")
        .header("Content-Security-Policy", policy);
    web_security::HEADERS.into_iter().fold(response, |response, (name, value)| response.header(name, value))
}
