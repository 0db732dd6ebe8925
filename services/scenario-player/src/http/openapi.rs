//! The OpenAPI document: the handlers and their documentation.

use utoipa::OpenApi;

use super::{dead_letters, events, playbacks, recordings, scenarios};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "scenario-player",
        description = "Plays scenarios of customers walking through a shop over MQTT."
    ),
    // Relative to the document, so that it also works behind a proxy that adds a path prefix.
    servers((url = ".")),
    paths(
        scenarios::post,
        scenarios::post_draft,
        scenarios::state,
        scenarios::list,
        scenarios::show,
        scenarios::delete,
        playbacks::replay,
        playbacks::playback,
        playbacks::change,
        recordings::post,
        recordings::list,
        recordings::delete,
        recordings::replay,
        recordings::playback,
        recordings::change,
        events::timeline,
        events::events,
        dead_letters::list,
        dead_letters::replay_all,
        dead_letters::replay,
        dead_letters::delete,
        dead_letters::delete_all,
    )
)]
pub(super) struct Document;
