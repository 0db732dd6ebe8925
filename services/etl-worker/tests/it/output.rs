use std::process::Command;

use crate::tables::Table;
use fred::interfaces::StreamsInterface;
use test_support::{ServiceProcess, eventually};

use crate::log::wait_for_log;
use crate::support::{World, report_not_run};

/// Waits until the worker reports the output as the cause, and checks that the job is kept.
async fn wait_for_output_error(world: &World, worker: &ServiceProcess, reason: &str) {
    eventually("the worker is not ready", async || {
        let (status, body) = worker.get("/ready").await;
        status == 503 && body.contains("output: ") && body.contains(reason)
    })
    .await;
    assert_eq!(world.client.xlen::<u64, _>(world.key("etl:jobs")).await.unwrap(), 1);
    wait_for_log(worker, reason).await;
}

#[tokio::test]
async fn an_output_that_cannot_be_written_is_reported_and_loses_nothing() {
    let world = World::start().await;
    std::fs::write(world.output(), b"in the way").unwrap();
    let worker = world.spawn_worker("w", &[]);
    wait_for_log(&worker, "listening on channel").await;
    let expected = world.play_small_game("g1").await;
    world.publish_game_ended("g1").await;
    eventually("the job is created", async || {
        world.client.xlen::<u64, _>(world.key("etl:jobs")).await.unwrap() == 1
    })
    .await;
    wait_for_output_error(&world, &worker, "Not a directory").await;
    std::fs::remove_file(world.output()).unwrap();
    world.wait_until_written(&expected).await;
    worker.wait_until_ready().await;
}

#[tokio::test]
async fn a_full_disk_is_reported_and_loses_nothing() {
    let world = World::start().await;
    let output = world.output();
    std::fs::create_dir_all(&output).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&output).output();
    if !mounted.is_ok_and(|mounted| mounted.status.success()) {
        report_not_run(
            "NOT RUN: a_full_disk_is_reported_and_loses_nothing is not allowed to mount a small disk"
                .to_owned(),
        );
        return;
    }
    let expected = world.play_small_game("g1").await;
    let worker = world.start_worker("w", &[]).await;
    let filled = std::fs::write(output.join("filler"), vec![0; 128 << 10]);
    assert!(filled.is_err(), "the disk is small");
    world.publish_game_ended("g1").await;
    wait_for_output_error(&world, &worker, "No space left on device").await;
    std::fs::remove_file(output.join("filler")).unwrap();
    world.wait_until_written(&expected).await;
    let left = std::fs::read_dir(output.join(".tmp").join(Table::Meta.name())).unwrap().count();
    assert_eq!(left, 0, "no staged files are left");
    drop(worker);
    assert!(Command::new("umount").arg("-l").arg(&output).status().unwrap().success());
}

#[tokio::test]
async fn a_disk_that_becomes_read_only_is_reported_and_loses_nothing() {
    let world = World::start().await;
    let output = world.output();
    std::fs::create_dir_all(&output).unwrap();
    let mount = |options: &str| {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&output).output()
    };
    if !mount("size=1m").is_ok_and(|mounted| mounted.status.success()) {
        report_not_run(
            "NOT RUN: a_disk_that_becomes_read_only_is_reported_and_loses_nothing is not allowed to mount a disk"
                .to_owned(),
        );
        return;
    }
    let worker = world.start_worker("w", &[]).await;
    assert!(mount("remount,ro").unwrap().status.success());
    let expected = world.play_small_game("g1").await;
    world.publish_game_ended("g1").await;
    wait_for_output_error(&world, &worker, "Read-only file system").await;
    assert!(mount("remount,rw").unwrap().status.success());
    world.wait_until_written(&expected).await;
    worker.wait_until_ready().await;
    drop(worker);
    assert!(Command::new("umount").arg("-l").arg(&output).status().unwrap().success());
}

#[tokio::test]
async fn batches_are_in_folders_by_day_and_have_the_maximum_number_of_games() {
    let world = World::start().await;
    // A batch waits for its games, however long a busy machine takes to play them, and its jobs stay with the worker.
    let vars =
        [("ETL_BATCH_GAMES", "100"), ("ETL_BATCH_MS", "600000"), ("ETL_LEASE", "60s"), ("ETL_CODEC", "zstd")];
    let _worker = world.start_worker("w", &vars).await;
    let expected = world.simulate(&["--games", "300"]).await;
    world.wait_until_written(&expected).await;
    let files = world.files(Table::Podium);
    assert_eq!(files.len(), 3, "{files:?}");
    let day = files[0].parent().unwrap().file_name().unwrap().to_str().unwrap();
    assert!(day.starts_with("dt=20") && day.len() == 13, "{day}");
    assert!(files[0].to_str().unwrap().ends_with(".zst.parquet"));
}

#[tokio::test]
async fn in_the_flat_layout_files_have_the_names_of_the_contract() {
    let world = World::start().await;
    let _worker = world.start_worker("host-1", &[("ETL_CODEC", "snappy"), ("ETL_LAYOUT", "flat")]).await;
    let expected = world.play_small_game("6f1f7a3e-0c4b-4a55-9f0e-2d9a4a1c7f10").await;
    world.publish_game_ended("6f1f7a3e-0c4b-4a55-9f0e-2d9a4a1c7f10").await;
    world.wait_until_written(&expected).await;
    for table in ["GAME_META", "GAME_PODIUM"] {
        let file =
            world.output().join(table).join("6f1f7a3e-0c4b-4a55-9f0e-2d9a4a1c7f10_host-1.snappy.parquet");
        assert!(file.exists(), "{}", file.display());
    }
}

#[tokio::test]
async fn by_default_the_file_of_a_game_is_in_the_folder_of_its_day() {
    let world = World::start().await;
    let _worker = world.start_worker("host-1", &[]).await;
    let expected = world.play_small_game("g1").await;
    world.publish_game_ended("g1").await;
    world.wait_until_written(&expected).await;
    let [file] = world.files(Table::Podium).try_into().unwrap();
    let name = file.strip_prefix(world.output().join("GAME_PODIUM")).unwrap().to_str().unwrap().to_owned();
    assert!(name.starts_with("dt=20") && name.ends_with("/g1_host-1.gz.parquet"), "{name}");
}

/// What is opened for writing hangs, as on a network file system whose server is gone.
#[tokio::test]
async fn a_folder_that_does_not_answer_turns_the_worker_red_and_costs_nothing() {
    let world = World::start().await;
    let worker = world.start_worker("w", &[]).await;
    let lock = world.output().join(".lock");
    std::fs::remove_file(&lock).unwrap();
    assert!(Command::new("mkfifo").arg(&lock).status().unwrap().success());
    eventually("the worker is red", async || {
        let (status, body) = worker.get("/ready").await;
        status == 503 && body.contains("mount: ") && body.contains("its file system hangs")
    })
    .await;
    let expected = world.play_small_game("g1").await;
    world.publish_game_ended("g1").await;
    // Whoever waits goes on.
    let pipe = std::fs::File::options().read(true).write(true).open(&lock).unwrap();
    std::fs::remove_file(&lock).unwrap();
    worker.wait_until_ready().await;
    drop(pipe);
    world.wait_until_written(&expected).await;
}

/// Of this architecture: the tests are built where they run.
pub(crate) const RENAMEAT2: &str = if cfg!(target_arch = "x86_64") { "316" } else { "276" };
const LINKAT: &str = if cfg!(target_arch = "x86_64") { "265" } else { "37" };
/// On aarch64 there is no `link` beside `linkat`; this is a number that no call has.
const LINK: &str = if cfg!(target_arch = "x86_64") { "86" } else { "9999" };

#[tokio::test]
async fn a_file_system_that_cannot_rename_without_replacing_is_written_by_links() {
    let world = World::start().await;
    let worker = world.spawn_worker_without(RENAMEAT2);
    worker.wait_until_ready().await;
    let expected = world.simulate(&["--games", "20"]).await;
    for game in expected.games() {
        world.publish_game_ended(&game).await;
    }
    world.wait_until_written(&expected).await;
    let left = std::fs::read_dir(world.output().join(".tmp").join(Table::Meta.name())).unwrap().count();
    assert_eq!(left, 0, "no staged files are left");
}

#[tokio::test]
async fn a_file_system_on_which_no_file_can_appear_is_reported_although_files_can_be_written() {
    let world = World::start().await;
    let worker = world.spawn_worker_without(&format!("{RENAMEAT2},{LINKAT},{LINK}"));
    wait_for_log(&worker, "listening on channel").await;
    let expected = world.play_small_game("g1").await;
    world.publish_game_ended("g1").await;
    eventually("the job is created", async || {
        world.client.xlen::<u64, _>(world.key("etl:jobs")).await.unwrap() == 1
    })
    .await;
    wait_for_output_error(&world, &worker, "rename to").await;
    assert_eq!(worker.metric("etl_worker_jobs_total").await, 0.0);
    drop(worker);
    let _other = world.start_worker("other", &[]).await;
    world.wait_until_written(&expected).await;
}

#[tokio::test]
async fn a_folder_that_is_removed_or_closed_while_nothing_happens_is_found() {
    let world = World::start().await;
    let worker = world.start_worker("w", &[]).await;
    std::fs::remove_dir_all(world.output()).unwrap();
    std::fs::write(world.output(), b"in the way").unwrap();
    eventually("an idle worker is not ready", async || worker.get("/ready").await.1.contains("output: "))
        .await;
    std::fs::remove_file(world.output()).unwrap();
    worker.wait_until_ready().await;
    let expected = world.play_small_game("g1").await;
    world.publish_game_ended("g1").await;
    world.wait_until_written(&expected).await;
}
