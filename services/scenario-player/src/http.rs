//! HTTP: the routes of the contract, those beyond it, the page, and the API documentation.
//!
//! | method, path | answer |
//! |---|---|
//! | `POST /scenario`, `POST /scenario_draft`, `GET /state` | as in the contract |
//! | `GET /scenarios`, `GET`, `DELETE /scenarios/{customer_id}` | what is stored |
//! | `POST /scenarios/{customer_id}/replay`, `GET`, `PATCH /scenarios/{customer_id}/playback` | how it is played |
//! | `GET`, `POST /recordings`, `DELETE /recordings/{name}` | the recordings |
//! | `POST /recordings/{name}/replay`, `GET`, `PATCH /recordings/{name}/playback` | how they are played |
//! | `GET /timeline` | the next steps |
//! | `GET /events` | each step when it is published, as Server-Sent Events |
//! | `GET`, `DELETE /dead_letters`, `DELETE /dead_letters/{id}` | what the broker refused for good |
//! | `POST /dead_letters/replay`, `POST /dead_letters/{id}/replay` | publishes it again |
//! | `GET /`, `GET /docs/`, `GET /openapi.json` | the page, the API documentation |

mod body;
mod body_budget;
mod dead_letters;
mod error;
mod events;
mod openapi;
mod page;
mod params;
mod playbacks;
mod recordings;
mod scenarios;
mod state;
mod wire;

use actix_web::web::{self, Data, ServiceConfig};

pub(crate) use self::state::{AppState, Limits};

/// The routes of the service, to be given to an actix application.
pub(crate) fn routes(state: AppState) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let state = Data::new(state);
    move |routes| {
        routes
            .app_data(state.clone())
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
                web::resource("/scenarios/{customer_id}/replay").route(web::post().to(playbacks::replay)),
            )
            .service(
                web::resource("/scenarios/{customer_id}/playback")
                    .route(web::get().to(playbacks::playback))
                    .route(web::patch().to(playbacks::change)),
            )
            .service(
                web::resource("/recordings")
                    .route(web::get().to(recordings::list))
                    .route(web::post().to(recordings::post)),
            )
            .service(web::resource("/recordings/{name}").route(web::delete().to(recordings::delete)))
            .service(web::resource("/recordings/{name}/replay").route(web::post().to(recordings::replay)))
            .service(
                web::resource("/recordings/{name}/playback")
                    .route(web::get().to(recordings::playback))
                    .route(web::patch().to(recordings::change)),
            )
            .service(web::resource("/timeline").route(web::get().to(events::timeline)))
            .service(web::resource("/events").route(web::get().to(events::events)))
            .service(
                web::resource("/dead_letters")
                    .route(web::get().to(dead_letters::list))
                    .route(web::delete().to(dead_letters::delete_all)),
            )
            .service(web::resource("/dead_letters/replay").route(web::post().to(dead_letters::replay_all)))
            .service(web::resource("/dead_letters/{id}").route(web::delete().to(dead_letters::delete)))
            .service(web::resource("/dead_letters/{id}/replay").route(web::post().to(dead_letters::replay)))
            .configure(page::routes);
    }
}
