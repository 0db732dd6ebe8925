use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use test_support::{eventually, find_python, is_full_size};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::datasets::{close_order, place_order, read_rows};
use crate::partitions::by_customer;
use crate::support::{World, report_not_run};

/// Programs that read tables without a pause.
struct Readers {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Readers {
    /// `tables` are the folder, the table, its key, and the least number of its rows.
    async fn start(python: &PathBuf, readers: &[&str], tables: &[[String; 4]]) -> Self {
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/readers_loop.py")).args(readers).arg("--");
        command.args(tables.iter().flatten()).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).await.unwrap();
        assert_eq!(line, "reading\n");
        Self { process, output }
    }

    /// Lets each read once more. Returns what each has read of each table.
    async fn stop(mut self) -> Vec<Value> {
        drop(self.process.stdin.take());
        let mut results = String::new();
        self.output.read_to_string(&mut results).await.unwrap();
        assert!(self.process.wait().await.unwrap().success(), "a reader saw something wrong");
        results.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// In each layout: the default one, the flat one, folders of columns, and snapshots.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_layout_is_read_right_at_every_moment_while_workers_write_and_compact_runs() {
    let test = "every_layout_is_read_right_at_every_moment_while_workers_write_and_compact_runs";
    let Some(python) = find_python(test) else { return };
    let is_full = is_full_size("ETL_WORKER_TEST_FULL");
    let rounds = if is_full { 30 } else { 4 };
    let (days, flat, columns, snapshots) =
        tokio::join!(World::start(), World::start(), World::start(), World::start());
    let dir = tempfile::tempdir().unwrap();
    let dataset = by_customer(dir.path());
    let (of_columns, compact_columns) =
        ([("ETL_DATASET", dataset.as_str())], ["--etl-dataset", &dataset, "compact"]);
    let _workers = tokio::join!(
        days.start_worker("w", &[("ETL_BATCH_GAMES", "5"), ("ETL_BATCH_MS", "100")]),
        flat.start_worker("w", &[("ETL_LAYOUT", "flat")]),
        columns.start_worker("w", &of_columns),
        snapshots.start_worker("w", &[]),
    );
    let worlds = [&days, &flat, &snapshots];
    let mut rows = [0; 4];
    let mut reading = Vec::new();
    for round in 0..rounds {
        let seed = (round + 1).to_string();
        for (place, world) in worlds.into_iter().enumerate() {
            let expected = world.simulate(&["--games", "15", "--seed", &seed]).await;
            let games = expected.games();
            world.wait_until_done(&games.iter().map(String::as_str).collect::<Vec<_>>()).await;
            rows[place] += expected.meta.len();
        }
        for number in 0..10 {
            let token = format!("o{round}-{number}");
            place_order(&columns, &token).await;
            close_order(&columns, &token).await;
            rows[3] += 1;
        }
        let compact = async |world: &World, args: &[&str]| {
            let done = world.run_command(args).await;
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        tokio::join!(
            compact(&days, &["compact"]),
            compact(&flat, &["--etl-layout", "flat", "compact"]),
            compact(&columns, &compact_columns),
            compact(&snapshots, &["compact", "--snapshot"]),
        );
        if reading.is_empty() {
            let table = |world: &World, table: &str, key: &str, least: usize| {
                [world.output().to_str().unwrap(), table, key, &least.to_string()].map(str::to_owned)
            };
            let players = "game_token,user_token";
            let tables = [
                table(&days, "GAME_META", players, rows[0]),
                table(&flat, "GAME_PODIUM", players, rows[1]),
                table(&snapshots, "GAME_PODIUM", players, rows[2]),
                table(&columns, "ORDERS", "order_id", 1),
            ];
            let readers = ["duckdb", "polars", "pyarrow", "pandas"];
            reading.push(Readers::start(&python, &readers, &tables).await);
            if is_full && let Some(python) = find_spark(test) {
                reading.push(Readers::start(&python, &["spark"], &tables).await);
            }
        }
    }
    eventually("every order is written", async || read_rows(&columns.output(), "ORDERS").len() == rows[3])
        .await;
    // What the last snapshot has is what was committed before.
    for readers in reading {
        for result in readers.stop().await {
            let table = result["table"].as_str().unwrap();
            let place = [&days, &flat, &snapshots, &columns]
                .iter()
                .position(|world| table.starts_with(world.output().to_str().unwrap()));
            assert_eq!(result["rows"].as_u64().unwrap() as usize, rows[place.unwrap()], "{result}");
            assert!(result["reads"].as_u64().unwrap() > 0, "{result}");
            if is_full {
                report_not_run(format!("read: {result}"));
            }
        }
    }
}

/// The Python that has pyspark, which `scripts/test.sh` installs with `ETL_WORKER_TEST_FULL=1`.
#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
fn find_spark(test: &str) -> Option<PathBuf> {
    let python = std::env::var_os("BACKPLANE_SPARK").map(PathBuf::from).filter(|python| python.exists());
    if python.is_none() {
        report_not_run(format!(
            "NOT RUN: {test} needs BACKPLANE_SPARK, a Python with pyspark, and Java to run Spark"
        ));
    }
    python
}

/// pyarrow and DuckDB must read the names and types of the contract, the expected rows, and statistics.
#[tokio::test]
async fn pyarrow_and_duckdb_read_the_files() {
    let Some(python) = find_python("pyarrow_and_duckdb_read_the_files") else { return };
    let read_with = async |codec: &str| {
        let world = World::start().await;
        let _worker = world.start_worker("w", &[("ETL_CODEC", codec)]).await;
        let expected = world.simulate(&["--games", "12"]).await;
        world.wait_until_written(&expected).await;
        for compacted in if codec == "gzip" { &[false, true][..] } else { &[false] } {
            if *compacted {
                assert!(
                    world.run_command(&[&format!("--etl-codec={codec}"), "compact"]).await.status.success()
                );
            }
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/readers.py");
            let sums = [0, 1, 2, 3]
                .map(|column| expected.podium.values().map(|row| row[column]).sum::<u64>().to_string());
            let mut command = Command::new(&python);
            command
                .arg(script)
                .arg(world.output())
                .arg(codec)
                .arg(expected.meta.len().to_string())
                .args(sums);
            let reader = command.output().await.unwrap();
            assert!(reader.status.success(), "{}", String::from_utf8_lossy(&reader.stderr));
        }
    };
    tokio::join!(read_with("gzip"), read_with("zstd"), read_with("snappy"));
}
