use test_support::find_python;
use tokio::process::Command;

use crate::support::World;

/// pyarrow and DuckDB must read the names and types of the contract, the expected rows, and statistics.
#[tokio::test]
async fn pyarrow_and_duckdb_read_the_files() {
    let Some(python) = find_python("pyarrow_and_duckdb_read_the_files") else { return };
    for codec in ["gzip", "zstd", "snappy"] {
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
    }
}
