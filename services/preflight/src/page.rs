//! The page at `/`. It is one file: its scripts, of which the first is the client library for browsers, are written in it.

pub(crate) const PAGE: &str = concat!(
    include_str!("../web/index.html"),
    "<script type=\"module\">\n",
    include_str!("../../../clients/js/backplane.js"),
    include_str!("../web/page.js"),
    "</script>\n</html>\n",
);
