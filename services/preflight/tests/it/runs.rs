//! Runs to choose from, and why their checklists are as they are, over HTTP.

use fred::interfaces::{HashesInterface, KeysInterface};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use test_support::eventually;

use crate::contract::FIELDS;
use crate::support::TestEnv;

/// The answer to a request with these headers.
async fn get(env: &TestEnv, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = reqwest::Client::new().get(format!("{}{path}", env.service.base_url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn ids(env: &TestEnv, path: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let (status, body) = get(env, path, headers).await;
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let runs = body["runs"].as_array().unwrap();
    runs.iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn runs_are_listed_by_their_last_change_with_how_far_each_is() {
    let env = TestEnv::start(&[]).await;
    env.producer("decimal-pleasing").hset::<(), _, _>("decimal-pleasing", FIELDS.to_vec()).await.unwrap();
    env.set("older;;1", "timestamps:build_channels", 1_700_000_000).await;
    env.set("locked-only", "locked:wepp", true).await;
    // Others' keys.
    env.set("battery:7:data", "timestamps:a", 1).await;
    env.set("a-hash", "soc", 1).await;
    env.producer("a-text").set::<(), _, _>("a-text", "x", None, None, false).await.unwrap();

    let expected = r#"{"runs":[{"run":"decimal-pleasing","current":7,"steps":13,"last_modified":1714168234},{"run":"older;;1","current":1,"steps":13,"last_modified":1700000000},{"run":"locked-only","current":0,"steps":13}],"complete":true}"#;
    assert_eq!(get(&env, "/runs", &[]).await, (200, expected.to_owned()));
    assert_eq!(ids(&env, "/runs/?limit=1", &[]).await, ["decimal-pleasing"]);
    assert_eq!(ids(&env, "/runs?search=l", &[]).await, ["decimal-pleasing", "older;;1", "locked-only"]);
    assert_eq!(ids(&env, "/runs?search=older;;&limit=500", &[]).await, ["older;;1"]);
    for limit in ["0", "501", "many"] {
        let problem = "limit must be a number from 1 to 500".to_owned();
        assert_eq!(get(&env, &format!("/runs?limit={limit}"), &[]).await, (400, problem));
    }

    env.producer("decimal-pleasing").del::<(), _>("decimal-pleasing").await.unwrap();
    eventually("a run that was deleted is not listed", async || {
        ids(&env, "/runs", &[]).await == ["older;;1", "locked-only"]
    })
    .await;
    // A run may have this name.
    env.set("runs", "timestamps:a", 7).await;
    env.watch("runs").await.read_until_modified(7).await;
}

#[tokio::test]
async fn a_list_of_runs_does_not_read_all_keys_for_each_request() {
    let env = TestEnv::start(&[]).await;
    if env.is_on_cluster() {
        return;
    }
    let producer = env.redis.client().await;
    let burst = producer.pipeline();
    for number in 0..20_000 {
        let _: () = burst.hset(format!("other:{number}"), ("soc", 1)).await.unwrap();
        if number % 20 == 0 {
            let _: () = burst.hset(format!("run-{number}"), ("timestamps:a", number)).await.unwrap();
        }
    }
    let _: () = burst.last().await.unwrap();
    eventually("all are found", async || {
        let (_, body) = get(&env, "/runs?limit=2", &[]).await;
        body.ends_with(r#""complete":true}"#)
    })
    .await;
    assert_eq!(ids(&env, "/runs?limit=2", &[]).await, ["run-19980", "run-19960"]);
    let before = env.read_count().await;
    for _ in 0..50 {
        assert_eq!(ids(&env, "/runs?limit=500", &[]).await.len(), 500);
    }
    let reads = env.read_count().await - before;
    // The known runs once per look, and what is found anew.
    assert!(reads <= 4 * 1500, "{reads} reads");
}

#[tokio::test]
async fn a_checklist_is_explained_and_a_run_without_data_says_so() {
    let env = TestEnv::start(&[]).await;
    let fields =
        [("timestamps:build_channels", "10"), ("timestamps:set_outlet", "9"), ("timestamps:run_wepp", "8")];
    env.producer("run-1").hset::<(), _, _>("run-1", fields.to_vec()).await.unwrap();
    let (status, body) = get(&env, "/runs/run-1/checklist", &[]).await;
    let start = r#"{"run":"run-1","last_modified":10,"steps":[{"step":"sbs_map","current":false,"obstacles":[{"field":"attrs:has_sbs","problem":"not-true"}]},{"step":"channels","current":true,"done_at":10,"obstacles":[]},{"step":"outlet","current":false,"done_at":9,"obstacles":[{"field":"timestamps:build_channels","problem":"newer","time":10}]},{"step":"subcatchments","current":false,"obstacles":[{"field":"timestamps:abstract_watershed","problem":"missing"}]}"#;
    assert!(status == 200 && body.starts_with(start), "{status} {body}");

    let nothing = (404, "there is no data of run no-run".to_owned());
    assert_eq!(get(&env, "/runs/no-run/checklist", &[]).await, nothing);
    assert_eq!(get(&env, "/runs/a%3Ab/checklist", &[]).await.0, 400);
}

#[tokio::test]
async fn only_the_holder_of_a_token_is_told_of_runs_and_only_of_those_that_it_is_for() {
    const KEY: &str = "a secret of sixteen bytes or more";
    let vars = [("PREFLIGHT_TOKEN_KEY", &*format!("secret:{KEY}")), ("OPERATOR_TOKEN", "open sesame")];
    let env = TestEnv::start(&vars).await;
    for run in ["run-1", "run-2", "other"] {
        env.set(run, "timestamps:a", 1).await;
    }
    let key = EncodingKey::from_secret(KEY.as_bytes());
    let token = encode(&Header::default(), &json!({"runs": "run-*"}), &key).unwrap();
    let bearer = format!("Bearer {token}");
    assert_eq!(get(&env, "/runs", &[]).await.0, 401);
    assert_eq!(ids(&env, "/runs", &[("Authorization", &bearer)]).await, ["run-1", "run-2"]);
    assert_eq!(get(&env, "/runs/run-1/checklist", &[]).await.0, 401);
    assert_eq!(get(&env, "/runs/other/checklist", &[("Authorization", &bearer)]).await.0, 403);
    assert_eq!(get(&env, "/runs/run-1/checklist", &[("Authorization", &bearer)]).await.0, 200);

    // The operator's, as a bearer token and as the password that a browser asks for.
    for operator in ["Bearer open sesame", "Basic b3BlcmF0b3I6b3BlbiBzZXNhbWU="] {
        assert_eq!(ids(&env, "/runs", &[("Authorization", operator)]).await.len(), 3);
        assert_eq!(get(&env, "/runs/other/checklist", &[("Authorization", operator)]).await.0, 200);
    }
    assert_eq!(get(&env, "/runs", &[("Authorization", "Bearer open")]).await.0, 401);
}

#[tokio::test]
async fn without_a_token_key_the_operators_token_guards_the_list_alone() {
    let env = TestEnv::start(&[("OPERATOR_TOKEN", "open sesame")]).await;
    env.set("run-1", "timestamps:a", 1).await;
    let refused = (401, "a list of runs needs the operator's token".to_owned());
    assert_eq!(get(&env, "/runs", &[]).await, refused);
    assert_eq!(ids(&env, "/runs", &[("Authorization", "Bearer open sesame")]).await, ["run-1"]);
    // Who knows a run may watch it, as before.
    assert_eq!(get(&env, "/runs/run-1/checklist", &[]).await.0, 200);
}

#[tokio::test]
async fn a_page_of_another_site_is_not_told_of_runs() {
    let env = TestEnv::start(&[]).await;
    env.set("run-1", "timestamps:a", 1).await;
    let own = format!("http://127.0.0.1:{}", env.service.port());
    assert_eq!(ids(&env, "/runs", &[("Origin", &own)]).await, ["run-1"]);
    assert_eq!(ids(&env, "/runs", &[("Sec-Fetch-Site", "same-origin")]).await, ["run-1"]);
    for headers in [
        [("Origin", "https://evil.test"), ("Accept-Language", "en")],
        [("Sec-Fetch-Site", "cross-site"), ("Accept-Language", "en")],
        // A name that points here only since the page was loaded.
        [("Host", "evil.test"), ("Sec-Fetch-Site", "same-origin")],
    ] {
        assert_eq!(get(&env, "/runs", &headers).await.0, 403, "{headers:?}");
    }

    let env = TestEnv::start(&[("PREFLIGHT_ALLOWED_ORIGINS", "www.example.org")]).await;
    env.set("run-1", "timestamps:a", 1).await;
    let allowed = [("Origin", "https://www.example.org"), ("Sec-Fetch-Site", "cross-site")];
    assert_eq!(ids(&env, "/runs", &allowed).await, ["run-1"]);
}

#[tokio::test]
async fn without_redis_the_list_says_why_it_is_empty() {
    let mut env = TestEnv::start(&[]).await;
    if env.is_on_cluster() {
        return;
    }
    env.redis.kill().await;
    eventually("the reason is told", async || {
        let (status, body) = get(&env, "/runs", &[]).await;
        status == 503 && !body.is_empty()
    })
    .await;
    assert_eq!(get(&env, "/runs/run-1/checklist", &[]).await.0, 503);
}
