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
    let shown = world.play_small_game("shown").await;
    world.publish_game_ended("shown").await;
    world.wait_until_done(&["shown"]).await;
    let click = "const button = document.querySelector('button[aria-label^=\"Rows of GAME_META/\"][aria-label*=shown]');
        button?.click();
        return button !== null";
    eventually("its file is a button", async || {
        browser.client.execute(click, Vec::new()).await.unwrap() == json!(true)
    })
    .await;
    eventually("it shows the rows of the file", async || {
        let shown = browser.client.execute(text, Vec::new()).await.unwrap();
        shown.as_str().unwrap().contains("shown\tann\t7\nshown\tbob\t9")
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
    assert_eq!((days.len(), days.iter().map(|day| day["games"].as_u64().unwrap()).sum::<u64>()), (30, 13));
    let files = dataset["files"].as_array().unwrap();
    let rows: u64 = files.iter().map(|file| file["rows"].as_u64().unwrap()).sum();
    assert_eq!((files.len(), rows), (13, 2 * (expected.meta.len() + shown.meta.len()) as u64));
    assert_eq!(files[0]["file"], "shown_w.gz.parquet");
    let [_, podium] = files[0]["places"].as_array().unwrap().as_slice() else { panic!("{}", files[0]) };
    let (status, rows) = rows_of(&worker, podium).await;
    let columns = ["game_token", "user_token", "rank", "rounds", "damage_received", "damage_sent"];
    let ranks = json!([["shown", "ann", "1", "1", "0", "10"], ["shown", "bob", "2", "0", "10", "0"]]);
    let rows: Value = serde_json::from_str(&rows).unwrap();
    assert_eq!((status, rows), (200, json!({"columns": columns, "rows": ranks, "count": 2})));
    assert!(world.run_command(&["compact"]).await.status.success());
    let (status, reason) = rows_of(&worker, podium).await;
    assert!(status == 404 && reason.contains("a compaction has merged it"), "{status} {reason}");
    let outside = json!({"table": "GAME_META", "path": "../GAME_PODIUM/x.gz.parquet"});
    assert_eq!(rows_of(&worker, &outside).await, (404, "there is no such dataset or file\n".to_owned()));
}

/// Asks for the rows of a file of superhero, where `/status` says that it is. Returns the HTTP status and the body.
async fn rows_of(worker: &ServiceProcess, place: &Value) -> (u16, String) {
    let query =
        [("dataset", "superhero"), ("table", text_of(place, "table")), ("path", text_of(place, "path"))];
    let url = reqwest::Url::parse_with_params(&format!("{}/rows", worker.base_url()), query).unwrap();
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn text_of<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

#[tokio::test]
async fn dead_letters_are_retried_and_dropped_by_who_has_the_token_and_by_nobody_else() {
    let world = World::start().await;
    let vars = [("ETL_LEASE", "500ms"), ("OPERATOR_TOKEN", "secret")];
    let worker = world.start_worker("w", &vars).await;
    play_bad_games(&world, &worker, &["mended", "lost"]).await;
    let everything = ["GET /", "GET /status", "GET /rows", "POST /dead/retry", "POST /dead/drop"];
    check_token(&worker, &everything).await;
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
