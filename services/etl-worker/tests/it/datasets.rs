//! Datasets of files beside the one that is built in.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use fred::interfaces::{
    HashesInterface, KeysInterface, ListInterface, PubsubInterface, SortedSetsInterface, StreamsInterface,
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value, json};
use test_support::{FlakyProxy, eventually};

use crate::support::World;
use crate::tables::list_files;

pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/");

fn all_datasets() -> String {
    format!("superhero,{FOLDER}orders.toml,{FOLDER}visits.toml")
}

/// An order of two items. Returns its rows in both tables.
pub(crate) async fn place_order(world: &World, order: &str) -> [Vec<String>; 2] {
    let client = &world.client;
    let fields = [
        ("customer", "ann"),
        ("placed_at", "2026-11-21T12:00:00+01:00"),
        ("paid", "true"),
        ("total", "12.50"),
    ];
    client.hset::<(), _, _>(format!("orders:{order}"), fields.to_vec()).await.unwrap();
    for item in [
        json!({"article": {"id": "tea", "weight": 0.25}, "price": 2.5, "quantity": 1, "tags": ["hot", "dry"]}),
        json!({"article": {"id": "pot"}, "price": "10.00", "quantity": 2.0, "gift": true}),
    ] {
        client.rpush::<(), _, _>(format!("orders:{order}:items"), item.to_string()).await.unwrap();
    }
    client.set::<(), _, _>(format!("orders:{order}:state"), "closed", None, None, false).await.unwrap();
    client.zadd::<(), _, _>("orders:all", None, None, false, false, (1.0, order)).await.unwrap();
    let time = "2026-11-21 11:00:00.000000 +00:00";
    let row = format!(
        "{{order_id: \"{order}\", customer: \"ann\", placed_at: {time}, coupon: null, is_paid: true, items: 2, \
         gifts: 1, total: 12.50, cheapest: 2.50, dearest: 10.00, heaviest: 0.25}}"
    );
    let items = [
        format!(
            "{{order_id: \"{order}\", number: 1, article: \"tea\", price: 2.50, quantity: 1, is_gift: null, tags: [\"hot\", \"dry\"]}}"
        ),
        format!(
            "{{order_id: \"{order}\", number: 2, article: \"pot\", price: 10.00, quantity: 2, is_gift: true, tags: null}}"
        ),
    ];
    [vec![row], items.into()]
}

pub(crate) async fn close_order(world: &World, order: &str) {
    let message = json!({"event": "order closed", "order": {"id": order}}).to_string();
    world.client.publish::<(), _, _>("shop.orders", message).await.unwrap();
}

/// A visit of two pages. Returns its rows.
pub(crate) async fn visit(world: &World, visit: &str) -> Vec<String> {
    for view in [
        json!({"at": 1_664_625_600_000_i64, "request": {"path": "/"}, "status": 200, "seconds": 0.5}),
        json!({"at": "2022-10-01T12:00:01Z", "request": {"path": "/a", "agent": "x"}, "status": 404}),
    ] {
        world.client.rpush::<(), _, _>(format!("visits:{visit}:views"), view.to_string()).await.unwrap();
    }
    vec![
        format!(
            "{{visit: \"{visit}\", number: 1, at: 2022-10-01 12:00:00.000000 +00:00, path: \"/\", status: 200, seconds: 0.5}}"
        ),
        format!(
            "{{visit: \"{visit}\", number: 2, at: 2022-10-01 12:00:01.000000 +00:00, path: \"/a\", status: 404, seconds: null}}"
        ),
    ]
}

pub(crate) async fn end_visit(world: &World, visit: &str) {
    let message = json!({"kind": "end", "visit": visit}).to_string();
    world.client.publish::<(), _, _>("web.visits", message).await.unwrap();
}

/// The rows of a table as parquet prints them, sorted.
pub(crate) fn read_rows(output: &Path, table: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for path in list_files(&output.join(table)) {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        rows.extend(reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()));
    }
    rows.sort();
    rows
}

pub(crate) fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

/// Waits until a table has so many rows.
pub(crate) async fn wait_for_row_count(world: &World, table: &str, count: usize) {
    let output = world.output();
    eventually("the rows are written", async || read_rows(&output, table).len() >= count).await;
}

pub(crate) async fn wait_for_rows(world: &World, table: &str, expected: Vec<String>) {
    wait_for_row_count(world, table, expected.len()).await;
    assert_eq!(read_rows(&world.output(), table), sorted(expected));
}

#[tokio::test]
async fn several_datasets_are_written_at_once_each_to_its_tables() {
    let world = World::start().await;
    let datasets = all_datasets();
    let worker = world.start_worker("w", &[("ETL_DATASET", &datasets), ("ETL_SETTLE", "1s")]).await;
    eventually("each dataset listens", async || worker.log().matches("listening on channel").count() == 3)
        .await;
    let game = world.play_small_game("same-token").await;
    let [orders, items] = place_order(&world, "same-token").await;
    let views = visit(&world, "same-token").await;
    world.publish_game_ended("same-token").await;
    end_visit(&world, "same-token").await;
    // The message of the order is lost.
    world.wait_until_written(&game).await;
    wait_for_rows(&world, "ORDERS", orders).await;
    wait_for_rows(&world, "ORDER_ITEMS", items).await;
    wait_for_rows(&world, "PAGE_VIEWS", views).await;
    eventually("the records are removed", async || {
        let keys = ["orders:same-token", "orders:same-token:items", "visits:same-token:views"];
        world.client.exists::<u64, _>(keys.to_vec()).await.unwrap() == 0
    })
    .await;
    assert_eq!(world.client.zcard::<u64, _>("orders:all").await.unwrap(), 0);
    assert_eq!(world.client.xlen::<u64, _>(world.key("etl:orders:jobs")).await.unwrap(), 0);
    let compacted = world.run_command(&["--etl-dataset", &datasets, "compact"]).await;
    assert!(compacted.status.success(), "{}", String::from_utf8_lossy(&compacted.stderr));
}

#[tokio::test]
async fn a_bad_session_is_a_dead_letter_of_its_dataset_and_says_why_in_the_words_of_the_file() {
    let world = World::start().await;
    let datasets = all_datasets();
    let vars = [("ETL_DATASET", datasets.as_str()), ("ETL_LEASE", "500ms"), ("ETL_SETTLE", "1h")];
    let worker = world.start_worker("w", &vars).await;
    eventually("each dataset listens", async || worker.log().matches("listening on channel").count() == 3)
        .await;
    for order in ["dear", "none", "text"] {
        place_order(&world, order).await;
    }
    world.client.hset::<(), _, _>("orders:dear", ("total", "13")).await.unwrap();
    let item = json!({"article": {"id": "cup"}, "price": 1, "quantity": 0}).to_string();
    world.client.rpush::<(), _, _>("orders:none:items", item).await.unwrap();
    world.client.hset::<(), _, _>("orders:text", ("paid", "maybe")).await.unwrap();
    for order in ["dear", "none", "text"] {
        close_order(&world, order).await;
    }
    let list = async || {
        let listed = world.run_command(&["--etl-dataset", &datasets, "dead", "list"]).await;
        let lines = String::from_utf8(listed.stdout).unwrap();
        let mut letters: Vec<(String, String)> = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|letter| ["game", "reason"].map(|name| letter[name].as_str().unwrap().to_owned()).into())
            .collect();
        letters.sort();
        letters
    };
    eventually("there are three dead letters", async || list().await.len() == 3).await;
    let expected = [
        ("dear", "the order: the items cost 12.50, not 13.00"),
        ("none", "item 3: 0 pieces of cup"),
        ("text", "the order: paid must be true or false"),
    ];
    assert_eq!(list().await, expected.map(|(game, reason)| (game.to_owned(), reason.to_owned())));
    let counted = "etl_worker_dead_letters{dataset=\"orders\"}";
    eventually("they are counted", async || worker.metric(counted).await == 3.0).await;
}

#[tokio::test]
async fn a_dataset_file_is_checked_and_shows_the_rows_of_a_sample() {
    let world = World::start().await;
    place_order(&world, "o1").await;
    let file = format!("{FOLDER}orders.toml");
    let tables = String::from_utf8(world.run_command(&["check", &file]).await.stdout).unwrap();
    let views = world.run_command(&["check", &format!("{FOLDER}visits.toml")]).await;
    let views = String::from_utf8(views.stdout).unwrap();
    assert_eq!(views, "PAGE_VIEWS: visit, number, at, path, status, seconds; in dt=…/answer=…\n");
    assert!(
        tables.contains("ORDER_ITEMS: order_id, number, article, price, quantity, is_gift, tags\n"),
        "{tables}"
    );
    let sampled = world.run_command(&["check", &file, "--sample", "o1"]).await;
    let rows = String::from_utf8(sampled.stdout).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3, "{}", String::from_utf8_lossy(&sampled.stderr));
    let order = json!({
        "table": "ORDERS", "order_id": "o1", "customer": "ann", "placed_at": "2026-11-21T11:00:00Z", "coupon": null,
        "is_paid": true, "items": 2, "gifts": 1, "total": "12.50", "cheapest": "2.50", "dearest": "10.00",
        "heaviest": 0.25,
    });
    assert_eq!((&rows[0], &rows[1]["tags"]), (&order, &json!(["hot", "dry"])));

    world.client.del::<(), _>("orders:o1").await.unwrap();
    let bad = world.run_command(&["check", &file, "--sample", "o1"]).await;
    let error = String::from_utf8(bad.stderr).unwrap();
    assert!(bad.status.code() == Some(1) && error.contains("the order: customer must be text"), "{error}");
}

#[tokio::test]
async fn a_wrong_file_ends_the_start_with_its_line_and_the_reason() {
    let world = World::start().await;
    let orders = std::fs::read_to_string(format!("{FOLDER}orders.toml")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (right, wrong, line, reason) in [
        ("type = \"uint16\" }", "type = \"uint17\" }", 40, "\"uint17\" is no type"),
        ("sum = \"price\"", "sum = \"prize\"", 32, "total: there is no prize in [entry]"),
        ("entry = \"quantity > 0\"", "entry = \"quantity > few\"", 45, "there is no few here"),
        ("rows = \"session\"", "rows = \"sessions\"", 55, "unknown variant `sessions`"),
        ("customer = \"customer\"", "customer = \"client\"", 53, "column customer: there is no client here"),
        ("coupon = {", "coupons {", 27, "expected `=`"),
        (
            "session = \"orders:{token}\"",
            "session = \"orders\"",
            11,
            "the key \"orders\" must have {token} in it",
        ),
    ] {
        let path = dir.path().join("wrong.toml");
        std::fs::write(&path, orders.replacen(right, wrong, 1)).unwrap();
        let started = world.run_command(&["--etl-dataset", path.to_str().unwrap()]).await;
        let error = String::from_utf8(started.stderr).unwrap();
        assert_eq!(started.status.code(), Some(2), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        let begins = format!("etl-worker: ETL_DATASET must be a dataset: {}, line {line}: ", path.display());
        assert!(error.starts_with(&begins) && error.contains(reason), "{wrong}: {error}");
    }
    let missing = world.run_command(&["--etl-dataset", "nowhere.toml"]).await;
    let error = String::from_utf8(missing.stderr).unwrap();
    assert!(error.contains("nowhere.toml: cannot be read: No such file"), "{error}");
}

#[tokio::test]
async fn two_datasets_of_which_one_would_remove_what_the_other_has_not_written_are_refused() {
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("copy.toml");
    let orders = std::fs::read_to_string(format!("{FOLDER}orders.toml")).unwrap();
    let copy = orders.replace("\"orders\"", "\"copy\"").replace("\"ORDER", "\"COPY_ORDER");
    std::fs::write(&path, copy).unwrap();
    let datasets = format!("{FOLDER}orders.toml,{}", path.display());
    let start = async |clean| {
        let args = ["--etl-dataset", &datasets, "--clean-routine", clean, "dead", "list"];
        let ended = world.run_command(&args).await;
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    };
    let reason = "etl-worker: ETL_DATASET has two datasets that share records: with CLEAN_ROUTINE, orders removes orders:{token}, \
                  which copy needs\n";
    assert_eq!(start("True").await, (Some(2), reason.to_owned()));
    assert_eq!(start("False").await.0, Some(0));
}

/// Workers of three datasets are killed all the time, and Redis is cut off twice and killed twice: what it acknowledged is on its disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_session_of_each_dataset_is_written_once_although_workers_and_redis_are_killed() {
    let mut world = World::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let datasets = all_datasets();
    let proxy = FlakyProxy::start(world.redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let vars = [
        ("REDIS_URL", url.as_str()),
        ("ETL_DATASET", datasets.as_str()),
        ("ETL_SETTLE", "1s"),
        ("ETL_BATCH_GAMES", "20"),
        ("ETL_BATCH_MS", "200"),
    ];
    let mut workers: Vec<_> = (0..3).map(|n| world.spawn_worker(&format!("w{n}"), &vars)).collect();
    let (mut orders, mut items, mut views) = (Vec::new(), Vec::new(), Vec::new());
    let mut games = crate::tables::Tables::default();
    for round in 0..6 {
        for number in 0..15 {
            let token = format!("{round}-{number}");
            let [order, item] = place_order(&world, &token).await;
            orders.extend(order);
            items.extend(item);
            views.extend(visit(&world, &token).await);
            games.add(world.play_small_game(&token).await);
            close_order(&world, &token).await;
        }
        tokio::time::sleep(Duration::from_millis(300 + 130 * round)).await;
        let victim = round as usize % workers.len();
        workers[victim].kill().await;
        workers[victim] = world.spawn_worker(&format!("w{victim}"), &vars);
        if round % 3 == 1 {
            proxy.cut();
            tokio::time::sleep(Duration::from_millis(500)).await;
            proxy.restore();
        }
        if round % 3 == 2 {
            world.redis.kill().await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            world.redis.restart().await;
            world.client = world.redis.client().await;
        }
    }
    for worker in &workers {
        worker.wait_until_ready().await;
        eventually("it listens", async || worker.log().matches("listening on channel").count() == 3).await;
    }
    // Visits have no index: only their message tells of them.
    for round in 0..6 {
        for number in 0..15 {
            end_visit(&world, &format!("{round}-{number}")).await;
        }
    }
    wait_for_rows(&world, "ORDERS", orders).await;
    wait_for_rows(&world, "ORDER_ITEMS", items).await;
    wait_for_rows(&world, "PAGE_VIEWS", views).await;
    world.wait_until_written(&games).await;
    for dead in ["etl:dead", "etl:orders:dead", "etl:visits:dead"] {
        assert_eq!(world.client.exists::<u64, _>(world.key(dead)).await.unwrap(), 0);
    }
}
