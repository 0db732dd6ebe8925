//! The dataset superhero has the tables of the rules that were compiled in before there were datasets. The files in `golden/`
//! were written by the last version with those rules (commit 5e94524), from the same games.

use std::fs;
use std::path::Path;

use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::support::World;
use crate::tables::Table;
use fred::interfaces::{HashesInterface, KeysInterface, SetsInterface, SortedSetsInterface};

#[tokio::test]
async fn the_dataset_superhero_writes_byte_for_byte_the_tables_of_the_rules_that_were_compiled_in() {
    let world = World::start().await;
    // A file of one game, and one of so many that it has dictionaries and page indexes.
    for (games, count) in [("one", 1), ("many", 40)] {
        let batch = count.to_string();
        let worker =
            world.start_worker("w", &[("ETL_BATCH_GAMES", &batch), ("ETL_BATCH_MS", "600000")]).await;
        let names: Vec<String> = (0..count).map(|number| format!("{games}-{number:02}")).collect();
        for (number, game) in names.iter().enumerate() {
            play(&world, game, number as i64).await;
        }
        for game in &names {
            world.publish_game_ended(game).await;
        }
        world.wait_until_done(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        for table in Table::ALL {
            let files = world.files(table);
            let [file] = &files[..] else { panic!("{files:?}") };
            let golden = Path::new(GOLDEN).join(format!("{}-{games}.gz.parquet", table.name()));
            is_the_same(file, &golden);
            fs::remove_file(file).unwrap();
        }
        drop(worker);
    }
}

/// Eight players attack each other. Who fell, who is equal and the size of the numbers differ from game to game.
async fn play(world: &World, game: &str, number: i64) {
    const PLAYERS: [&str; 8] = ["ann", "bob", "cid", "dora", "eve", "fay", "gus", "hal"];
    let client = &world.client;
    for (place, user) in (0..).zip(PLAYERS) {
        let health = [70, 70, 0, -5, 1000 * number, 0, 12, 300][place as usize];
        let id = (number * 7 + place) % 563;
        client.sadd::<(), _, _>(format!("games:{game}"), user).await.unwrap();
        let hero = [("id", id.to_string()), ("attack", "10".to_owned()), ("health", health.to_string())];
        client.hset::<(), _, _>(format!("games:{game}:superheros:{user}"), hero.to_vec()).await.unwrap();
    }
    client.zadd::<(), _, _>("games:participants", None, None, false, false, (8.0, game)).await.unwrap();
    for attack in 0..(number % 5 + 6) {
        let (from, to) = (PLAYERS[(attack % 3) as usize], PLAYERS[((attack * 3 + 2) % 8) as usize]);
        let post = if attack % 2 == 0 { 0 } else { 40 + number };
        world.log_attack(game, from, to, attack * attack * 1_000_003, post + 10, post).await;
    }
    client.set::<(), _, _>(format!("games:{game}:status"), "Completed", None, None, false).await.unwrap();
}

/// All bytes are the same but those of the metadata at the end, which name the version. Of it all else is the same.
fn is_the_same(file: &Path, golden: &Path) {
    let [found, expected] = [file, golden].map(|path| fs::read(path).unwrap());
    let [found_end, expected_end] = [&found, &expected].map(|bytes| metadata_length(bytes));
    let (data, golden_data) = (&found[..found.len() - found_end], &expected[..expected.len() - expected_end]);
    assert!(data == golden_data, "{} has other bytes than {}", file.display(), golden.display());
    let [found, expected] = [file, golden].map(metadata);
    let [about, golden_about] = [&found, &expected].map(ParquetMetaData::file_metadata);
    assert_eq!(about.key_value_metadata(), golden_about.key_value_metadata());
    assert_eq!(about.schema(), golden_about.schema());
    assert_eq!(about.num_rows(), golden_about.num_rows());
    assert_eq!(about.column_orders(), golden_about.column_orders());
    assert_eq!(found.row_groups(), expected.row_groups(), "sizes, encodings, statistics");
}

/// The metadata with its length and the magic number at the end.
fn metadata_length(file: &[u8]) -> usize {
    let (_, end) = file.split_last_chunk::<8>().unwrap();
    assert_eq!(&end[4..], b"PAR1");
    u32::from_le_bytes(end[..4].try_into().unwrap()) as usize + end.len()
}

fn metadata(path: &Path) -> ParquetMetaData {
    SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap().metadata().clone()
}

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden");
