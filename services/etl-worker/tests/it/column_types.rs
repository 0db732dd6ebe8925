//! The types of columns, as other programs read them.

use fred::interfaces::{HashesInterface, ListInterface, PubsubInterface};
use serde_json::json;
use test_support::find_python;
use tokio::process::Command;

use crate::datasets::wait_for_row_count;
use crate::support::World;

const DATASET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/column_types.toml");

#[tokio::test]
async fn every_type_is_read_by_pyarrow_duckdb_and_polars_with_its_greatest_values() {
    let Some(python) =
        find_python("every_type_is_read_by_pyarrow_duckdb_and_polars_with_its_greatest_values")
    else {
        return;
    };
    let world = World::start().await;
    let _worker = world.start_worker("w", &[("ETL_DATASET", DATASET)]).await;
    let fields = [
        ("text", "grüß dich"),
        ("boolean", "True"),
        ("int8", "-128"),
        ("int16", "-32768"),
        ("int32", "-2147483648"),
        ("int64", "-9223372036854775808"),
        ("uint8", "255"),
        ("uint16", "65535"),
        ("uint32", "4294967295"),
        ("uint64", "18446744073709551615"),
        ("float32", "0.5"),
        ("float64", "0.1"),
        ("price", "-12345678901234.5678"),
        ("time", "2026-11-21T12:00:00.25+02:00"),
        ("whole", "1000.0"),
    ];
    world.client.hset::<(), _, _>("types:s1", fields.to_vec()).await.unwrap();
    let entry = json!({
        "texts": ["a", "b"], "booleans": [true, false], "numbers": [-128, 127.0], "unsigned": [u64::MAX],
        "floats": [0.5, 1], "prices": ["2.50", -10], "times": ["2026-11-21T10:00:00.25Z", -1000],
    });
    world.client.rpush::<(), _, _>("types:s1:entries", entry.to_string()).await.unwrap();
    let message = json!({"event": "end", "id": "s1"}).to_string();
    world.client.publish::<(), _, _>("types", message).await.unwrap();
    wait_for_row_count(&world, "VALUES", 1).await;
    wait_for_row_count(&world, "LISTS", 1).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/column_types.py");
    let read = Command::new(&python).arg(script).arg(world.output()).output().await.unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}
