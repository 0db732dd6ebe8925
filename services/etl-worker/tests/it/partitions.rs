//! Tables in folders of any column.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fred::interfaces::{HashesInterface, ListInterface, SetsInterface, StreamsInterface};
use serde_json::Value;
use test_support::{eventually, find_python};

use crate::bad_input::list_dead_letters_of;
use crate::datasets::{FOLDER, close_order, end_visit, place_order, read_rows, sorted, visit, wait_for_rows};
use crate::output::RENAMEAT2;
use crate::s3::Storage;
use crate::support::World;
use crate::tables::list_files;

const CUSTOMERS: [&str; 3] = ["ann", "a/b=50% é", ""];
const FOLDERS: [&str; 3] =
    ["who=ann/paid=true", "who=a%2Fb%3D50%25 é/paid=true", "who=__HIVE_DEFAULT_PARTITION__/paid=true"];

/// The dataset of orders, with orders in folders by customer, by whether they are paid, and by day.
pub(crate) fn by_customer(dir: &Path) -> String {
    let orders = std::fs::read_to_string(format!("{FOLDER}orders.toml")).unwrap();
    let partition =
        "rows = \"session\"\n[table.partition]\nwho = \"customer\"\npaid = \"is_paid\"\non = \"day\"\n";
    let path = dir.join("by_customer.toml");
    std::fs::write(&path, orders.replacen("rows = \"session\"\n", partition, 1)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Orders of three customers. Returns the rows of both tables.
async fn place_orders(world: &World, round: usize) -> [Vec<String>; 2] {
    let (mut orders, mut items) = (Vec::new(), Vec::new());
    for (number, customer) in CUSTOMERS.into_iter().enumerate() {
        let token = format!("o{round}-{number}");
        let [order, item] = place_order(world, &token).await;
        world.client.hset::<(), _, _>(format!("orders:{token}"), ("customer", customer)).await.unwrap();
        orders.extend(order.into_iter().map(|row| row.replace("\"ann\"", &format!("{customer:?}"))));
        items.extend(item);
        close_order(world, &token).await;
    }
    [orders, items]
}

/// The folders of a table's files, without the day at their end.
fn folders(output: &Path, table: &str) -> BTreeSet<String> {
    let table = output.join(table);
    let folder = |path: &PathBuf| {
        let folder = path.parent().unwrap().strip_prefix(&table).unwrap().to_str().unwrap();
        folder.rsplit_once("/on=20").map_or(folder, |(folder, _)| folder).to_owned()
    };
    list_files(&table).iter().map(folder).collect()
}

#[tokio::test]
async fn a_table_is_in_folders_of_its_columns_and_compact_brings_flat_files_there() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let flat = format!("{FOLDER}orders.toml");
    let mut worker = world.start_worker("flat", &[("ETL_DATASET", &flat), ("ETL_LAYOUT", "flat")]).await;
    let [mut orders, mut items] = place_orders(&world, 1).await;
    wait_for_rows(&world, "ORDERS", orders.clone()).await;
    wait_for_rows(&world, "ORDER_ITEMS", items.clone()).await;
    worker.terminate().await;

    let dataset = by_customer(dir.path());
    let refused = world.run_command(&["--etl-dataset", &dataset, "--etl-layout", "flat", "compact"]).await;
    let error = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(error, "etl-worker: ETL_LAYOUT must be partitioned, as the table ORDERS is\n");
    let checked = String::from_utf8(world.run_command(&["check", &dataset]).await.stdout).unwrap();
    assert!(checked.contains(", heaviest; in who=…/paid=…/on=…\nORDER_ITEMS: "), "{checked}");

    let _worker = world.start_worker("w", &[("ETL_DATASET", &dataset)]).await;
    let [more_orders, more_items] = place_orders(&world, 2).await;
    orders.extend(more_orders);
    items.extend(more_items);
    wait_for_rows(&world, "ORDERS", orders.clone()).await;
    wait_for_rows(&world, "ORDER_ITEMS", items.clone()).await;
    eventually("all are committed", async || {
        world.client.scard::<u64, _>(world.key("etl:orders:open-parts")).await.unwrap() == 0
    })
    .await;
    let expected: BTreeSet<String> = FOLDERS.map(str::to_owned).into();
    let with_flat: BTreeSet<String> = expected.iter().cloned().chain([String::new()]).collect();
    assert_eq!(folders(&world.output(), "ORDERS"), with_flat);

    // A snapshot has the partitions, and so has the folder once it is compacted.
    let args = ["--etl-dataset", &dataset, "compact"];
    let done = world.run_command_without(RENAMEAT2, &args).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let latest = std::fs::read_to_string(world.output().join("COMPACTED/latest")).unwrap();
    for output in [world.output().join("COMPACTED").join(latest), world.output()] {
        if output == world.output() {
            let done = world.run_command(&args).await;
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
        assert_eq!(folders(&output, "ORDERS"), expected);
        assert_eq!(read_rows(&output, "ORDERS"), sorted(orders.clone()));
        assert_eq!(read_rows(&output, "ORDER_ITEMS"), sorted(items.clone()));
    }
    // The rows that were brought into a folder and those that were there become one file.
    assert!(world.run_command(&args).await.status.success());
    assert_eq!(list_files(&world.output().join("ORDERS")).len(), FOLDERS.len());
    assert_eq!(read_rows(&world.output(), "ORDERS"), sorted(orders));
}

/// As if a worker had died after it published the files of a visit and before the commit.
async fn die_before_the_commit(world: &World, token: &str) {
    let (client, state) = (&world.client, world.key(&format!("etl:visits:game:{token}")));
    let part: String = client.hget(&state, "part").await.unwrap();
    client.hset::<(), _, _>(&state, ("state", "queued")).await.unwrap();
    client.sadd::<(), _, _>(world.key("etl:visits:open-parts"), &part).await.unwrap();
    let entry: String =
        client.xadd(world.key("etl:visits:jobs"), false, None, "*", ("game", token)).await.unwrap();
    client.hset::<(), _, _>(world.key(&format!("etl:visits:part:{part}")), (token, entry)).await.unwrap();
}

#[tokio::test]
async fn a_job_of_a_dead_worker_is_committed_and_never_written_to_a_second_folder() {
    let world = World::start().await;
    let dataset = format!("{FOLDER}visits.toml");
    let vars = [("ETL_DATASET", dataset.as_str()), ("CLEAN_ROUTINE", "False"), ("ETL_LEASE", "500ms")];
    let mut first = world.start_worker("first", &vars).await;
    let [same, changed] = [visit(&world, "same").await, visit(&world, "changed").await];
    end_visit(&world, "same").await;
    end_visit(&world, "changed").await;
    let rows = [same, changed].concat();
    wait_for_rows(&world, "PAGE_VIEWS", rows.clone()).await;
    let done = async |token: &str| {
        let state: Option<String> =
            world.client.hget(world.key(&format!("etl:visits:game:{token}")), "state").await.unwrap();
        state.as_deref() == Some("done")
    };
    eventually("both are committed", async || done("same").await && done("changed").await).await;
    first.kill().await;
    let before = list_files(&world.output().join("PAGE_VIEWS"));
    assert_eq!(before.len(), 4, "a file for each answer of each visit: {before:?}");

    die_before_the_commit(&world, "same").await;
    die_before_the_commit(&world, "changed").await;
    // The first answer of this visit is another one now: its row would be in a third folder.
    let view = r#"{"at": 1664625600000, "request": {"path": "/"}, "status": 500}"#;
    world.client.lset::<(), _, _>("visits:changed:views", 0, view).await.unwrap();
    let _second = world.start_worker("second", &vars).await;
    eventually("the visit is committed", async || done("same").await).await;
    let letters = async || list_dead_letters_of(&world, &dataset).await;
    eventually("the other one is a dead letter", async || letters().await.len() == 1).await;
    let reason = letters().await[0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("was written before the records changed"), "{reason}");
    assert_eq!(read_rows(&world.output(), "PAGE_VIEWS"), sorted(rows));
    assert_eq!(list_files(&world.output().join("PAGE_VIEWS")), before);
}

#[tokio::test]
async fn in_a_bucket_the_folders_are_the_same() {
    let Some(python) = find_python("in_a_bucket_the_folders_are_the_same") else { return };
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let (storage, dataset) = (Storage::start(python).await, by_customer(dir.path()));
    storage.create_bucket("games").await;
    let endpoint = storage.url("");
    let vars = [
        ("ETL_DATASET", dataset.as_str()),
        ("ETL_OUTPUT", "s3://games/data"),
        ("AWS_ENDPOINT_URL", endpoint.trim_end_matches('/')),
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    let worker = world.start_worker("w", &vars).await;
    let [orders, items] = place_orders(&world, 1).await;
    eventually("all are committed", async || {
        worker.metric("etl_worker_jobs_total{result=\"committed\"}").await == 3.0
    })
    .await;
    // The page reads the rows of each file, whatever its folder is called.
    let status: Value = serde_json::from_str(&worker.get("/status").await.1).unwrap();
    let files = status["datasets"][0]["files"].as_array().unwrap();
    let places: Vec<&Value> = files.iter().flat_map(|file| file["places"].as_array().unwrap()).collect();
    assert_eq!(places.len(), 6, "an order and its items of three customers");
    for place in places {
        let text = |name: &str| place[name].as_str().unwrap();
        let query = [("dataset", "orders"), ("table", text("table")), ("path", text("path"))];
        let url = reqwest::Url::parse_with_params(&format!("{}/rows", worker.base_url()), query).unwrap();
        let rows: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        assert_eq!(rows["count"], place["rows"], "{place}");
    }
    let flag = |(name, value): (&str, &str)| format!("--{}={value}", name.to_lowercase().replace('_', "-"));
    let args: Vec<String> = vars.into_iter().map(flag).chain(["compact".to_owned()]).collect();
    let done = world.run_command(&args.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let copy = storage.download("games", "data").await;
    let output = copy.path().join("data");
    let latest = std::fs::read_to_string(output.join("COMPACTED/latest")).unwrap();
    for output in [output.join("COMPACTED").join(latest), output] {
        assert_eq!(folders(&output, "ORDERS"), FOLDERS.map(str::to_owned).into());
        assert_eq!(read_rows(&output, "ORDERS"), sorted(orders.clone()));
        assert_eq!(read_rows(&output, "ORDER_ITEMS"), sorted(items.clone()));
    }
}
