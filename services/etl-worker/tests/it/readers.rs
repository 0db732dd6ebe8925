use tokio::process::Command;

use crate::support::{World, python};

/// pyarrow and DuckDB see the contract's names and types, the same rows, and statistics.
#[tokio::test]
async fn pyarrow_and_duckdb_read_the_files() {
    let Some(python) = python("pyarrow_and_duckdb_read_the_files") else { return };
    for codec in ["gzip", "zstd", "snappy"] {
        let world = World::start().await;
        let _worker = world.worker("w", &[("ETL_CODEC", codec)]).await;
        let truth = world.simulate(&["--games", "12"]).await;
        world.all_written(&truth).await;
        for compacted in if codec == "gzip" { &[false, true][..] } else { &[false] } {
            if *compacted {
                assert!(world.run(&[&format!("--etl-codec={codec}"), "compact"]).await.status.success());
            }
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/readers.py");
            let sums = [0, 1, 2, 3]
                .map(|column| truth.podium.values().map(|row| row[column]).sum::<u64>().to_string());
            let mut command = Command::new(&python);
            command.arg(script).arg(world.output()).arg(codec).arg(truth.meta.len().to_string()).args(sums);
            let read = command.output().await.unwrap();
            assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        }
    }
}
