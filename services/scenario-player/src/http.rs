//! HTTP: the contract's routes, what goes beyond them, the page and the documentation.
//!
//! | method, path | answer |
//! |---|---|
//! | `POST /scenario`, `POST /scenario_draft`, `GET /state` | as in the contract |
//! | `GET /scenarios`, `GET`, `DELETE /scenarios/{customer_id}` | what is stored |
//! | `POST /scenarios/{customer_id}/replay`, `GET`, `PATCH /scenarios/{customer_id}/playback` | how it is played |
//! | `GET /timeline`, `GET /events` | what is to come; what is published, as Server-Sent Events |
//! | `GET /`, `GET /docs/`, `GET /openapi.json` | the page, the documentation |

mod body;
mod events;
mod failure;
mod page;
mod scenarios;
mod wire;

use std::sync::Arc;

use actix_web::web::{self, Data, ServiceConfig};
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;

use crate::metrics::Metrics;
use crate::shop::Shop;
use crate::timeline::Timeline;

/// What a request may ask for at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) body_bytes: usize,
    pub(crate) steps: usize,
}

/// Everything that handlers need.
struct Desk {
    shop: Arc<Shop>,
    timeline: Timeline,
    limits: Limits,
    metrics: Metrics,
    stopping: CancellationToken,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "scenario-player",
        description = "Plays scenarios of customers walking through a shop over MQTT."
    ),
    // Relative to the document, so that it holds behind a proxy that puts the service under a path.
    servers((url = ".")),
    paths(
        scenarios::post,
        scenarios::post_draft,
        scenarios::state,
        scenarios::list,
        scenarios::show,
        scenarios::delete,
        scenarios::replay,
        scenarios::playback,
        scenarios::change,
        events::timeline,
        events::events,
    )
)]
struct Document;

/// The routes of the service, to be given to an actix application.
pub(crate) fn routes(
    shop: Arc<Shop>,
    timeline: Timeline,
    limits: Limits,
    metrics: Metrics,
    stopping: CancellationToken,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let desk = Data::new(Desk { shop, timeline, limits, metrics, stopping });
    move |routes| {
        routes
            .app_data(desk.clone())
            .service(web::resource("/scenario").route(web::post().to(scenarios::post)))
            .service(web::resource("/scenario_draft").route(web::post().to(scenarios::post_draft)))
            .service(web::resource("/state").route(web::get().to(scenarios::state)))
            .service(web::resource("/scenarios").route(web::get().to(scenarios::list)))
            .service(
                web::resource("/scenarios/{customer_id}")
                    .route(web::get().to(scenarios::show))
                    .route(web::delete().to(scenarios::delete)),
            )
            .service(
                web::resource("/scenarios/{customer_id}/replay").route(web::post().to(scenarios::replay)),
            )
            .service(
                web::resource("/scenarios/{customer_id}/playback")
                    .route(web::get().to(scenarios::playback))
                    .route(web::patch().to(scenarios::change)),
            )
            .service(web::resource("/timeline").route(web::get().to(events::timeline)))
            .service(web::resource("/events").route(web::get().to(events::events)))
            .configure(page::routes);
    }
}
