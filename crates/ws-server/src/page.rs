//! The plain look that the services' own pages share. A page is one file: it needs no network and no build.

use crate::response::Response;

/// The stylesheet.
pub const STYLE: &str = include_str!("page.css");

/// A page, with the stylesheet in place of `/*style*/`. It may load nothing from anywhere, and no site may frame it.
pub fn html(page: &str) -> Response {
    Response::new(200, "text/html; charset=utf-8", page.replacen("/*style*/", STYLE, 1))
        .header("Cache-Control", "no-cache")
        .header("X-Content-Type-Options", "nosniff")
        .header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self' ws: wss:; \
             img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        )
}
