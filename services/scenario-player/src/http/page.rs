//! The page at `/`, and the API documentation at `/docs/`. The binary contains all files, so nothing is loaded from elsewhere.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::openapi::Document;

pub(super) fn routes(routes: &mut ServiceConfig) {
    for (path, content_type, text) in FILES {
        let answer = move || async move { HttpResponse::Ok().content_type(content_type).body(text) };
        routes.service(web::resource(path).route(web::get().to(answer)));
    }
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

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const FILES: [(&str, &str, &str); 14] = [
    ("/", "text/html; charset=utf-8", include_str!("../../web/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("../../web/style.css")),
    ("/app.js", JAVASCRIPT, include_str!("../../web/app.js")),
    ("/controls.js", JAVASCRIPT, include_str!("../../web/controls.js")),
    ("/customers.js", JAVASCRIPT, include_str!("../../web/customers.js")),
    ("/dead_letters.js", JAVASCRIPT, include_str!("../../web/dead_letters.js")),
    ("/dom.js", JAVASCRIPT, include_str!("../../web/dom.js")),
    ("/floor.js", JAVASCRIPT, include_str!("../../web/floor.js")),
    ("/form.js", JAVASCRIPT, include_str!("../../web/form.js")),
    ("/recordings.js", JAVASCRIPT, include_str!("../../web/recordings.js")),
    ("/scenarios.js", JAVASCRIPT, include_str!("../../web/scenarios.js")),
    ("/server.js", JAVASCRIPT, include_str!("../../web/server.js")),
    ("/stored.js", JAVASCRIPT, include_str!("../../web/stored.js")),
    ("/upcoming.js", JAVASCRIPT, include_str!("../../web/upcoming.js")),
];
