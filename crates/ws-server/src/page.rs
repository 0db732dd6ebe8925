//! The services' own pages and the stylesheet that they share. A page is one file: it loads nothing else and needs no build.

use crate::response::Response;

/// The shared stylesheet.
pub const STYLESHEET: &str = include_str!("page.css");

/// The response with a page, in which the stylesheet replaces `/*style*/`. Its headers forbid the page to load anything,
/// and forbid other sites to put it in a frame.
pub fn html(page: &str) -> Response {
    Response::new(200, "text/html; charset=utf-8", page.replacen("/*style*/", STYLESHEET, 1))
        .header("Cache-Control", "no-cache")
        .header("X-Content-Type-Options", "nosniff")
        .header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self' ws: wss:; \
             img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        )
}
