//! The page at `/`, and the API documentation at `/docs/`. The binary contains all files, so nothing is loaded from elsewhere.

use actix_web::web::{self, ServiceConfig};
use chassis::http::{CSS, JAVASCRIPT, StaticFile};
use utoipa::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::openapi::Document;

pub(super) fn routes(routes: &mut ServiceConfig) {
    routes.route("/", chassis::http::page(include_str!("../../web/index.html")));
    chassis::http::static_files(&FILES, routes);
    chassis::http::console_files(routes);
    let document = Document::openapi();
    routes
        .service(web::resource("/openapi.json").route(web::get().to(move || {
            let document = document.clone();
            async move { web::Json(document) }
        })))
        // Relative, so that it also works behind a proxy that adds a path prefix.
        .service(web::redirect("/docs", "docs/"))
        .service(SwaggerUi::new("/docs/{_:.*}").config(Config::from("../openapi.json")));
}

macro_rules! file {
    ($name:literal, $content_type:expr) => {
        StaticFile::new(concat!("/", $name), $content_type, include_str!(concat!("../../web/", $name)))
    };
}

const FILES: [StaticFile; 13] = [
    file!("style.css", CSS),
    file!("app.js", JAVASCRIPT),
    file!("controls.js", JAVASCRIPT),
    file!("customers.js", JAVASCRIPT),
    file!("dead_letters.js", JAVASCRIPT),
    file!("dom.js", JAVASCRIPT),
    file!("floor.js", JAVASCRIPT),
    file!("form.js", JAVASCRIPT),
    file!("recordings.js", JAVASCRIPT),
    file!("scenarios.js", JAVASCRIPT),
    file!("server.js", JAVASCRIPT),
    file!("stored.js", JAVASCRIPT),
    file!("upcoming.js", JAVASCRIPT),
];
