use fred::interfaces::{HashesInterface, ListInterface};
use serde_json::{Value, json};
use test_support::{Browser, ServiceProcess, check_token, eventually};

use crate::bad_input::list_dead_letters;
use crate::support::World;

async fn status(worker: &ServiceProcess) -> Value {
    serde_json::from_str(&worker.get("/status").await.1).unwrap()
}

/// Asks for a change of a dead letter. Returns the HTTP status.
async fn change(worker: &ServiceProcess, what: &str, game: &str, token: Option<&str>) -> u16 {
    let url = format!("{}/dead/{what}", worker.base_url());
    let mut request = reqwest::Client::new().post(url).json(&json!({"dataset": "superhero", "game": game}));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap().status().as_u16()
}

/// Plays games without a health, which become dead letters.
async fn play_bad_games(world: &World, worker: &ServiceProcess, games: &[&str]) {
    for game in games {
        world.play_small_game(game).await;
        world.log_attack(game, "ann", "nobody", 1, 6, 5).await;
        world.publish_game_ended(game).await;
    }
    let count = games.len() as f64;
    eventually("they are dead letters", async || worker.metric("etl_worker_dead_letters").await == count)
        .await;
}

#[tokio::test]
async fn the_page_shows_jobs_dead_letters_the_last_files_and_a_count_by_day() {
    let world = World::start().await;
    let worker = world.start_worker("w", &[("ETL_LEASE", "500ms")]).await;
    play_bad_games(&world, &worker, &["bad"]).await;
    let expected = world.simulate(&["--games", "12"]).await;
    let games = expected.games();
    world.wait_until_done(&games.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (code, page) = worker.get("/").await;
    assert!(code == 200 && page.contains("<h1>etl-worker</h1>"), "{page}");
    let browser = Browser::start().await;
    browser.client.goto(&worker.base_url()).await.unwrap();
    let text = "return document.body.innerText";
    eventually("it shows the dead letter", async || {
        browser.client.execute(text, Vec::new()).await.unwrap().to_string().contains("nobody is not a player")
    })
    .await;
    assert_eq!(browser.find_violations().await, Vec::<String>::new());
    browser.close().await;
    let status = status(&worker).await;
    let dataset = &status["datasets"][0];
    assert_eq!(
        (&dataset["name"], &dataset["waiting"], &dataset["dead"]),
        (&json!("superhero"), &json!(0), &json!(1))
    );
    assert_eq!((&status["can_change"], &dataset["letters"][0]["game"]), (&json!(false), &json!("bad")));
    let reason = "log entry 2: nobody is not a player";
    assert_eq!(dataset["letters"][0]["reason"], reason);
    // The games may have been committed around midnight.
    let days = dataset["days"].as_array().unwrap();
    assert_eq!((days.len(), days.iter().map(|day| day["games"].as_u64().unwrap()).sum::<u64>()), (30, 12));
    let files = dataset["files"].as_array().unwrap();
    let rows: u64 = files.iter().map(|file| file["rows"].as_u64().unwrap()).sum();
    assert_eq!((files.len(), rows), (12, 2 * expected.meta.len() as u64));
    assert!(files[0]["file"].as_str().unwrap().ends_with(".gz.parquet"), "{}", files[0]);
}

#[tokio::test]
async fn dead_letters_are_retried_and_dropped_by_who_has_the_token_and_by_nobody_else() {
    let world = World::start().await;
    let vars = [("ETL_LEASE", "500ms"), ("OPERATOR_TOKEN", "secret")];
    let worker = world.start_worker("w", &vars).await;
    play_bad_games(&world, &worker, &["mended", "lost"]).await;
    check_token(&worker, &["GET /", "GET /status", "POST /dead/drop"]).await;
    assert_eq!(change(&worker, "drop", "lost", None).await, 401);
    assert_eq!(change(&worker, "drop", "nobody", Some("secret")).await, 409);
    assert_eq!(change(&worker, "drop", "../x", Some("secret")).await, 404);
    assert_eq!(list_dead_letters(&world).await.len(), 2);
    world.client.ltrim::<(), _>("games:mended:logs", 0, 0).await.unwrap();
    assert_eq!(change(&worker, "retry", "mended", Some("secret")).await, 204);
    assert_eq!(change(&worker, "drop", "lost", Some("secret")).await, 204);
    world.wait_until_done(&["mended"]).await;
    assert_eq!(list_dead_letters(&world).await.len(), 0);
    let state: String = world.client.hget(world.key("etl:game:lost"), "state").await.unwrap();
    assert_eq!(state, "dead");

    let without_token = world.start_worker("other", &[]).await;
    assert_eq!(change(&without_token, "drop", "lost", Some("")).await, 403);
}
