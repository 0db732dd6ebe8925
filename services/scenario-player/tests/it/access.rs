//! Who may use HTTP.

use test_support::{ServiceProcess, check_other_sites, check_token};

use crate::support::BINARY;

/// What changes something.
const CHANGES: [&str; 13] = [
    "POST /scenario",
    "POST /scenario_draft",
    "DELETE /scenarios/1",
    "POST /scenarios/1/replay",
    "PATCH /scenarios/1/playback",
    "POST /recordings",
    "DELETE /recordings/1",
    "POST /recordings/1/replay",
    "PATCH /recordings/1/playback",
    "DELETE /dead_letters",
    "POST /dead_letters/replay",
    "DELETE /dead_letters/1-1",
    "POST /dead_letters/1-1/replay",
];

#[tokio::test]
async fn pages_of_other_sites_post_and_replay_nothing_and_programs_are_served() {
    let player = ServiceProcess::start(BINARY, &[("TESTING_MOCK_MQTT", "true")]).await;
    check_other_sites(&player, &CHANGES).await;
}

#[tokio::test]
async fn with_an_operator_token_every_request_needs_it_but_the_probes() {
    let vars = [("TESTING_MOCK_MQTT", "true"), ("OPERATOR_TOKEN", "secret")];
    let player = ServiceProcess::start(BINARY, &vars).await;
    let reads =
        ["GET /", "GET /app.js", "GET /scenarios", "GET /timeline", "GET /dead_letters", "GET /openapi.json"];
    check_token(&player, &CHANGES).await;
    check_token(&player, &reads).await;
}

#[tokio::test]
async fn no_page_can_be_framed_or_run_foreign_scripts() {
    let player = ServiceProcess::start(BINARY, &[("TESTING_MOCK_MQTT", "true")]).await;
    for path in ["/", "/docs", "/nothing"] {
        let response = reqwest::get(format!("{}{path}", player.base_url())).await.unwrap();
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        let scripts = policy.split("; ").find(|part| part.starts_with("script-src")).unwrap();
        assert!(!scripts.contains("unsafe-inline"), "{path}: {policy}");
    }
}
