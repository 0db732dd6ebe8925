use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use etl_worker::table::Table;
use fred::interfaces::SetsInterface;

use crate::support::{World, read, size};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_never_sees_a_row_twice_or_none_while_workers_write() {
    let games = size("ETL_TEST_GAMES", 300).to_string();
    let world = World::start().await;
    let _workers = tokio::join!(world.worker("a", &[]), world.worker("b", &[]));
    let mut truth = world.simulate(&["--games", &games, "--seed", "1"]).await;
    world.all_written(&truth).await;

    // A reader lists and opens, again and again; rows that were there must be there, whole and once.
    let (output, stop) = (world.output(), Arc::new(AtomicBool::new(false)));
    let (known, stopped) = (truth.clone(), Arc::clone(&stop));
    let reader = std::thread::spawn(move || {
        let (mut reads, mut reopened) = (0, 0);
        while !stopped.load(Ordering::Relaxed) || reads == 0 {
            match read(&output) {
                Ok(seen) => {
                    assert!(known.meta.iter().all(|(player, hero)| seen.meta.get(player) == Some(hero)));
                    assert!(known.podium.iter().all(|(player, row)| seen.podium.get(player) == Some(row)));
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
        let (more, compacted) = tokio::join!(world.simulate(&args), world.run(&["compact"]));
        assert!(compacted.status.success(), "{}", String::from_utf8_lossy(&compacted.stderr));
        truth.add(more);
    }
    world.all_written(&truth).await;
    stop.store(true, Ordering::Relaxed);
    let (reads, reopened) = reader.join().unwrap();
    assert!(reads > 0, "{reads} reads, {reopened} times opened again");

    let compacted = world.run(&["compact"]).await;
    assert!(compacted.status.success());
    world.all_written(&truth).await;
    assert_eq!((world.files(Table::Meta).len(), world.files(Table::Podium).len()), (1, 1));
    let again = String::from_utf8(world.run(&["compact"]).await.stdout).unwrap();
    assert_eq!(again, "2 files became 2; 0 rows were rewritten\n");
}

#[tokio::test]
async fn files_that_are_not_fully_committed_and_files_of_others_stay_as_they_are() {
    let world = World::start().await;
    let _worker = world.worker("w", &[]).await;
    let truth = world.simulate(&["--games", "20"]).await;
    world.all_written(&truth).await;
    let open = world.files(Table::Podium)[3].file_name().unwrap().to_str().unwrap().to_owned();
    world.client.sadd::<(), _, _>("etl:open-parts", open.as_str()).await.unwrap();
    let foreign = world.output().join("GAME_PODIUM").join("notes.txt");
    std::fs::write(&foreign, "ours").unwrap();
    std::fs::write(world.output().join("GAME_PODIUM").join("theirs.gz.parquet"), "no parquet").unwrap();
    assert!(world.run(&["compact"]).await.status.success());
    assert_eq!(std::fs::read_to_string(&foreign).unwrap(), "ours");
    std::fs::remove_file(world.output().join("GAME_PODIUM").join("theirs.gz.parquet")).unwrap();
    assert_eq!(world.files(Table::Podium).len(), 2);
    assert!(world.output().join("GAME_PODIUM").join(open).exists());
    assert_eq!(world.written(), truth);
}

#[tokio::test]
async fn a_worker_that_lost_its_job_cannot_put_back_a_file_that_was_merged() {
    let world = World::start().await;
    let worker = world.worker("w", &[]).await;
    let truth = world.simulate(&["--games", "20"]).await;
    world.all_written(&truth).await;
    let part = world.files(Table::Meta)[0].file_name().unwrap().to_str().unwrap().to_owned();
    let aside = world.output().join(".tmp").join("GAME_META");
    let (its, others) = (aside.join(format!("{part}~zombie-1")), aside.join("g9_w.gz.parquet~zombie-1"));
    std::fs::write(&its, "set aside before the pause").unwrap();
    std::fs::write(&others, "of a job under way").unwrap();
    assert!(world.run(&["compact"]).await.status.success());
    assert!(!its.exists() && others.exists());
    assert_eq!(world.written(), truth);
    drop(worker);
}

#[tokio::test]
async fn partitions_are_compacted_each_in_its_folder() {
    let world = World::start().await;
    let _worker = world.worker("w", &[("ETL_BATCH_GAMES", "10"), ("ETL_BATCH_MS", "100")]).await;
    let truth = world.simulate(&["--games", "100"]).await;
    world.all_written(&truth).await;
    let before = world.files(Table::Meta);
    let compacted = world.run(&["compact"]).await;
    assert!(compacted.status.success(), "{}", String::from_utf8_lossy(&compacted.stderr));
    assert_eq!(world.written(), truth);
    let after = world.files(Table::Meta);
    assert!(after.len() < before.len() && after[0].parent() == before[0].parent(), "{after:?}");
}
