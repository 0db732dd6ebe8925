//! Files that a page loads. The binary contains them, so that a page works without any other server.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};

/// The content type of JavaScript.
pub const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
/// The content type of stylesheets.
pub const CSS: &str = "text/css; charset=utf-8";

/// A file that is served as it is.
#[derive(Debug, Clone, Copy)]
pub struct StaticFile {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

impl StaticFile {
    /// A file of this type at this path.
    pub const fn new(path: &'static str, content_type: &'static str, text: &'static str) -> Self {
        Self { path, content_type, text }
    }
}

/// Serves these files.
pub fn static_files(files: &'static [StaticFile], routes: &mut ServiceConfig) {
    for StaticFile { path, content_type, text } in files {
        let answer = move || async move {
            // Browsers ask again after an update.
            HttpResponse::Ok()
                .content_type(*content_type)
                .insert_header(("Cache-Control", "no-cache"))
                .body(*text)
        };
        routes.service(web::resource(*path).route(web::get().to(answer)));
    }
}

/// Serves the files of the console (`haproxy/console`) that the services' own pages use too, below `/console/`: styles, and the
/// figures of a service with their plots.
pub fn console_files(routes: &mut ServiceConfig) {
    static_files(&CONSOLE, routes);
}

macro_rules! console_file {
    ($name:literal, $content_type:expr) => {
        StaticFile::new(
            concat!("/console/", $name),
            $content_type,
            include_str!(concat!("../../../../haproxy/console/", $name)),
        )
    };
}

const CONSOLE: [StaticFile; 11] = [
    console_file!("palette.css", CSS),
    console_file!("style.css", CSS),
    console_file!("card.js", JAVASCRIPT),
    console_file!("dom.js", JAVASCRIPT),
    console_file!("figures.js", JAVASCRIPT),
    console_file!("history.js", JAVASCRIPT),
    console_file!("instances.js", JAVASCRIPT),
    console_file!("metrics.js", JAVASCRIPT),
    console_file!("plot.js", JAVASCRIPT),
    console_file!("services.js", JAVASCRIPT),
    console_file!("watch.js", JAVASCRIPT),
];
