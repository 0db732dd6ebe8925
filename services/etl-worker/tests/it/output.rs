use std::process::Command;

use etl_worker::table::Table;
use fred::interfaces::StreamsInterface;
use test_support::{ServiceProcess, eventually};

use crate::support::{World, not_run};

/// The worker says that the output is at fault, and keeps the job.
async fn refused(world: &World, worker: &ServiceProcess, reason: &str) {
    eventually("the worker is not ready", async || {
        let (status, body) = worker.get("/ready").await;
        status == 503 && body.contains("output: ") && body.contains(reason)
    })
    .await;
    assert_eq!(world.client.xlen::<u64, _>("etl:jobs").await.unwrap(), 1);
    assert!(worker.log().contains(reason));
}

#[tokio::test]
async fn an_output_that_cannot_be_written_is_named_and_loses_nothing() {
    let world = World::start().await;
    std::fs::write(world.output(), b"in the way").unwrap();
    let worker = world.spawn("w", &[]);
    eventually("it listens", async || worker.log().contains("listening on channel")).await;
    let truth = world.small_game("g1").await;
    world.publish_clean("g1").await;
    eventually("the job is made", async || world.client.xlen::<u64, _>("etl:jobs").await.unwrap() == 1).await;
    refused(&world, &worker, "Not a directory").await;
    std::fs::remove_file(world.output()).unwrap();
    world.all_written(&truth).await;
    worker.wait_until_ready().await;
}

#[tokio::test]
async fn a_full_disk_is_named_and_loses_nothing() {
    let world = World::start().await;
    let output = world.output();
    std::fs::create_dir_all(&output).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&output).output();
    if !mounted.is_ok_and(|mounted| mounted.status.success()) {
        not_run("NOT RUN: a_full_disk_is_named_and_loses_nothing may not mount a small disk".to_owned());
        return;
    }
    let truth = world.small_game("g1").await;
    let worker = world.worker("w", &[]).await;
    let filled = std::fs::write(output.join("filler"), vec![0; 128 << 10]);
    assert!(filled.is_err(), "the disk is small");
    world.publish_clean("g1").await;
    refused(&world, &worker, "No space left on device").await;
    std::fs::remove_file(output.join("filler")).unwrap();
    world.all_written(&truth).await;
    let left = std::fs::read_dir(output.join(".tmp").join(Table::Meta.name())).unwrap().count();
    assert_eq!(left, 0, "nothing is left aside");
    drop(worker);
    assert!(Command::new("umount").arg("-l").arg(&output).status().unwrap().success());
}

#[tokio::test]
async fn batches_lie_in_folders_by_day_and_hold_as_many_games_as_they_may() {
    let world = World::start().await;
    let vars = [("ETL_BATCH_GAMES", "100"), ("ETL_BATCH_MS", "2000"), ("ETL_CODEC", "zstd")];
    let _worker = world.worker("w", &vars).await;
    let truth = world.simulate(&["--games", "250"]).await;
    world.all_written(&truth).await;
    let files = world.files(Table::Podium);
    assert!((3..=5).contains(&files.len()), "{files:?}");
    let day = files[0].parent().unwrap().file_name().unwrap().to_str().unwrap();
    assert!(day.starts_with("dt=20") && day.len() == 13, "{day}");
    assert!(files[0].to_str().unwrap().ends_with(".zst.parquet"));
}

#[tokio::test]
async fn games_are_written_in_files_of_the_contracts_names() {
    let world = World::start().await;
    let _worker = world.worker("host-1", &[("ETL_CODEC", "snappy")]).await;
    let truth = world.small_game("6f1f7a3e-0c4b-4a55-9f0e-2d9a4a1c7f10").await;
    world.publish_clean("6f1f7a3e-0c4b-4a55-9f0e-2d9a4a1c7f10").await;
    world.all_written(&truth).await;
    for table in ["GAME_META", "GAME_PODIUM"] {
        let file =
            world.output().join(table).join("6f1f7a3e-0c4b-4a55-9f0e-2d9a4a1c7f10_host-1.snappy.parquet");
        assert!(file.exists(), "{}", file.display());
    }
}
