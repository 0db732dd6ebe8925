use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::tables::Table;
use fred::interfaces::SetsInterface;

use test_support::size_from_env;

use crate::output::RENAMEAT2;
use crate::support::World;
use crate::tables::read_tables;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_never_sees_a_row_twice_or_misses_one_while_workers_write() {
    let games = size_from_env("ETL_TEST_GAMES", 300).to_string();
    let world = World::start().await;
    let _workers = tokio::join!(world.start_worker("a", &[]), world.start_worker("b", &[]));
    let mut expected = world.simulate(&["--games", &games, "--seed", "1"]).await;
    world.wait_until_written(&expected).await;

    // A reader lists and opens the files again and again. The rows from before must be there, each once.
    let (output, stop) = (world.output(), Arc::new(AtomicBool::new(false)));
    let (before, stopped) = (expected.clone(), Arc::clone(&stop));
    let reader = std::thread::spawn(move || {
        let (mut reads, mut reopened) = (0, 0);
        while !stopped.load(Ordering::Relaxed) || reads == 0 {
            match read_tables(&output) {
                Ok(tables) => {
                    assert!(before.meta.iter().all(|(player, hero)| tables.meta.get(player) == Some(hero)));
                    assert!(before.podium.iter().all(|(player, row)| tables.podium.get(player) == Some(row)));
                    reads += 1;
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => reopened += 1,
                Err(error) => panic!("{error}"),
            }
        }
        (reads, reopened)
    });
    for round in 0..3 {
        let seed = (round + 2).to_string();
        let args = ["--games", "60", "--rate", "60", "--seed", &seed];
        let (more, compacted) = tokio::join!(world.simulate(&args), world.run_command(&["compact"]));
        assert!(compacted.status.success(), "{}", String::from_utf8_lossy(&compacted.stderr));
        expected.add(more);
    }
    world.wait_until_written(&expected).await;
    stop.store(true, Ordering::Relaxed);
    let (reads, reopened) = reader.join().unwrap();
    assert!(reads > 0, "{reads} reads, and {reopened} that found a file replaced");

    let compacted = world.run_command(&["compact"]).await;
    assert!(compacted.status.success());
    world.wait_until_written(&expected).await;
    assert_eq!((world.files(Table::Meta).len(), world.files(Table::Podium).len()), (1, 1));
    let again = String::from_utf8(world.run_command(&["compact"]).await.stdout).unwrap();
    assert_eq!(again, "2 files became 2; 0 rows were rewritten\n");
}

#[tokio::test]
async fn files_with_uncommitted_games_and_files_of_others_stay_as_they_are() {
    let world = World::start().await;
    let _worker = world.start_worker("w", &[]).await;
    let expected = world.simulate(&["--games", "20"]).await;
    world.wait_until_written(&expected).await;
    let podium = world.output().join("GAME_PODIUM");
    let open = world.files(Table::Podium)[3].strip_prefix(&podium).unwrap().to_str().unwrap().to_owned();
    world.client.sadd::<(), _, _>(world.key("etl:open-parts"), open.as_str()).await.unwrap();
    let notes = world.output().join("GAME_PODIUM").join("notes.txt");
    std::fs::write(&notes, "ours").unwrap();
    std::fs::write(world.output().join("GAME_PODIUM").join("theirs.gz.parquet"), "no parquet").unwrap();
    assert!(world.run_command(&["compact"]).await.status.success());
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "ours");
    std::fs::remove_file(world.output().join("GAME_PODIUM").join("theirs.gz.parquet")).unwrap();
    assert_eq!(world.files(Table::Podium).len(), 2);
    assert!(world.output().join("GAME_PODIUM").join(open).exists());
    assert_eq!(world.read_output(), expected);
}

#[tokio::test]
async fn a_worker_that_lost_its_job_cannot_publish_a_file_again_that_was_merged() {
    let world = World::start().await;
    let worker = world.start_worker("w", &[]).await;
    let expected = world.simulate(&["--games", "20"]).await;
    world.wait_until_written(&expected).await;
    let part = world.files(Table::Meta)[0].file_name().unwrap().to_str().unwrap().to_owned();
    let staging = world.output().join(".tmp").join("GAME_META");
    let merged = staging.join(format!("{part}~zombie-1"));
    let other = staging.join("g9_w.gz.parquet~zombie-1");
    std::fs::write(&merged, "staged before the pause").unwrap();
    std::fs::write(&other, "staged for another job").unwrap();
    assert!(world.run_command(&["compact"]).await.status.success());
    assert!(!merged.exists() && other.exists());
    assert_eq!(world.read_output(), expected);
    drop(worker);
}

#[tokio::test]
async fn flat_files_are_brought_into_the_folders_of_their_days() {
    let world = World::start().await;
    let mut flat = world.start_worker("flat", &[("ETL_LAYOUT", "flat")]).await;
    let mut expected = world.simulate(&["--games", "10", "--seed", "1"]).await;
    world.wait_until_written(&expected).await;
    flat.terminate().await;
    let _partitioned = world.start_worker("w", &[]).await;
    expected.add(world.simulate(&["--games", "10", "--seed", "2"]).await);
    world.wait_until_written(&expected).await;
    let is_flat = |file: &std::path::PathBuf| file.parent().unwrap().ends_with("GAME_META");
    assert_eq!(world.files(Table::Meta).iter().filter(|file| is_flat(file)).count(), 10);
    assert!(world.run_command(&["compact"]).await.status.success());
    assert_eq!(world.read_output(), expected);
    assert!(!world.files(Table::Meta).iter().any(is_flat), "{:?}", world.files(Table::Meta));
}

#[tokio::test]
async fn where_folders_cannot_be_exchanged_a_snapshot_is_written_and_the_small_files_stay() {
    let world = World::start().await;
    let _worker = world.start_worker("w", &[]).await;
    let mut expected = world.simulate(&["--games", "20", "--seed", "1"]).await;
    world.wait_until_written(&expected).await;
    let compact = async || {
        let done = world.run_command_without(RENAMEAT2, &["compact"]).await;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let latest = std::fs::read_to_string(world.output().join("COMPACTED/latest")).unwrap();
        let printed = String::from_utf8(done.stdout).unwrap();
        assert!(printed.ends_with(&format!(" to COMPACTED/{latest}\n")), "{printed}");
        latest
    };
    let first = compact().await;
    let before = expected.clone();
    expected.add(world.simulate(&["--games", "10", "--seed", "2"]).await);
    world.wait_until_written(&expected).await;
    let second = compact().await;
    let snapshot = |name: &str| read_tables(&world.output().join("COMPACTED").join(name)).unwrap();
    assert!(snapshot(&first) == before && snapshot(&second) == expected);
    assert_eq!(world.files(Table::Meta).len(), 30);
}

#[tokio::test]
async fn each_day_is_compacted_in_its_own_folder() {
    let world = World::start().await;
    let _worker = world.start_worker("w", &[("ETL_BATCH_GAMES", "10"), ("ETL_BATCH_MS", "100")]).await;
    let expected = world.simulate(&["--games", "100"]).await;
    world.wait_until_written(&expected).await;
    let before = world.files(Table::Meta);
    let compacted = world.run_command(&["compact"]).await;
    assert!(compacted.status.success(), "{}", String::from_utf8_lossy(&compacted.stderr));
    assert_eq!(world.read_output(), expected);
    let after = world.files(Table::Meta);
    assert!(after.len() < before.len() && after[0].parent() == before[0].parent(), "{after:?}");
}
