//! Contents beyond `OBJECT_STORE_MAX_MEMORY` go to a folder, and come back.

use std::path::Path;
use std::time::{Duration, Instant};

use test_support::eventually;

use crate::client::{Client, GOT, NOT_EXISTS, Node, SET, id, size};

const MIB: usize = 1 << 20;

/// A content that is different for each `n`.
fn content(n: u64, length: usize) -> Vec<u8> {
    let seed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    let mut data = seed.repeat(length / 8);
    for (index, part) in data.chunks_exact_mut(4096).enumerate() {
        part[..8].copy_from_slice(&(n ^ (index as u64) << 32).to_le_bytes());
    }
    data
}

async fn spilling(dir: &Path, max_memory: &str) -> Node {
    Node::memory(&[
        ("OBJECT_STORE_SPILL_DIR", dir.to_str().unwrap()),
        ("OBJECT_STORE_MAX_MEMORY", max_memory),
    ])
    .await
}

/// Files in the folders of processes, and these folders.
fn files(dir: &Path) -> (usize, usize) {
    let folders =
        std::fs::read_dir(dir).unwrap().filter_map(|entry| std::fs::read_dir(entry.unwrap().path()).ok());
    let counts: Vec<usize> = folders.map(|folder| folder.count() - 1).collect();
    (counts.iter().sum(), counts.len())
}

/// The slowest of a hundred, of `count` gets of 16 hot objects.
async fn p99(client: &mut Client, hot: u64, length: usize, count: u64) -> Duration {
    let mut times = Vec::new();
    for n in 0..count {
        let began = Instant::now();
        assert_eq!(client.get(&id(n % hot)).await.len(), length);
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// With `OBJECT_STORE_TEST_FULL=1` 10 GiB of objects on 1 GiB of memory.
#[tokio::test]
async fn a_store_that_outgrows_memory_gives_every_object_back() {
    let dir = tempfile::tempdir().unwrap();
    let (count, memory) = (size(100, 10_240) as u64, size(20, 1024));
    let node = spilling(dir.path(), &format!("{memory}MB")).await;
    let mut client = Client::connect(node.port, "one").await;
    let mut most = 0;
    for n in 0..count {
        assert_eq!(client.set(&id(n), &content(n, MIB)).await, SET, "{n}");
        if n % 50 == 0 {
            most = most.max(node.resident());
        }
    }
    // What is allocated for transfers, and what jemalloc has yet to return.
    let limit = (memory as u64 * 5 / 4 + 150) << 20;
    assert!(most < limit, "{most} bytes resident, {memory} MiB allowed");
    assert!(node.info("memory_bytes").await <= (memory * MIB) as u64);
    assert!(node.info("spilled_bytes").await >= (count - memory as u64) * MIB as u64);
    assert_eq!(client.totals().await[..3], [count, count, count * MIB as u64]);
    // Those that come back make others leave.
    for n in (0..count).step_by(3).chain((0..count).rev().step_by(7)) {
        assert!(client.get(&id(n)).await == content(n, MIB), "{n}");
    }
    assert!(
        node.info("spill_reads").await > count / 5
            && node.info("memory_bytes").await <= (memory * MIB) as u64
    );
    let url = format!("{}/objects/{}", node.process.base_url(), id(1));
    assert!(reqwest::get(&url).await.unwrap().bytes().await.unwrap() == content(1, MIB), "over HTTP");
    assert_eq!(client.duplicate(&id(count), &id(2)).await, 4, "a duplicate of what may be in a file");
    assert!(client.get(&id(count)).await == content(2, MIB));

    // Hot objects stay in memory while cold ones come and go, and are as fast as without a folder.
    let plain = Node::memory(&[]).await;
    let mut other = Client::connect(plain.port, "one").await;
    for n in 0..16 {
        other.set(&id(n), &content(n, MIB)).await;
    }
    let (mut with, mut without) = (Vec::new(), Vec::new());
    p99(&mut client, 16, MIB, 16).await;
    let gets = size(40, 200) as u64;
    for _ in 0..5 {
        with.push(p99(&mut client, 16, MIB, gets).await);
        without.push(p99(&mut other, 16, MIB, gets).await);
    }
    let median = |times: &mut Vec<Duration>| (times.sort_unstable(), times[2]).1;
    println!(
        "p99 of hot gets of 1 MiB: {:?}, without spilling {:?}",
        median(&mut with),
        median(&mut without)
    );

    for n in 0..=count {
        client.delete(&id(n)).await;
    }
    eventually("no file is left", async || files(dir.path()) == (0, 1)).await;
}

#[tokio::test]
async fn a_process_that_was_killed_leaves_nothing_that_the_next_does_not_remove() {
    let dir = tempfile::tempdir().unwrap();
    let (mut killed, mut other) = (spilling(dir.path(), "2MB").await, spilling(dir.path(), "2MB").await);
    for node in [&killed, &other] {
        let mut client = Client::connect(node.port, "one").await;
        for n in 0..6 {
            assert_eq!(client.set(&id(n), &content(n, MIB)).await, SET);
        }
    }
    assert_eq!(files(dir.path()), (8, 2));
    killed.kill_and_restart().await;
    assert_eq!(
        files(dir.path()),
        (4, 2),
        "the files of the killed one have gone, those of the other have not"
    );
    let mut client = Client::connect(other.port, "two").await;
    for n in 0..6 {
        assert!(client.get(&id(n)).await == content(n, MIB));
    }
    drop(client);
    other.process.terminate().await;
    assert_eq!(files(dir.path()), (0, 1), "who stops removes its own");
}

#[tokio::test]
async fn when_the_folder_cannot_be_written_sets_are_refused_in_words_and_nobody_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("spill");
    std::fs::create_dir(&place).unwrap();
    let node = spilling(&place, "2MB").await;
    let mut client = Client::connect(node.port, "one").await;
    for n in 0..4 {
        assert_eq!(client.set(&id(n), &content(n, MIB)).await, SET);
    }
    std::fs::rename(&place, dir.path().join("elsewhere")).unwrap();
    let waiting = client.send_get(&id(9)).await;
    assert_eq!(client.set(&id(8), &content(8, MIB)).await, NOT_EXISTS);
    let url = format!("{}/objects/{}", node.process.base_url(), id(9));
    let put = reqwest::Client::new().put(&url).body(content(9, MIB)).send().await.unwrap();
    assert_eq!(put.status(), 507);
    let why = put.text().await.unwrap();
    assert!(why.contains("OBJECT_STORE_SPILL_DIR cannot be written"), "{why}");
    let refused = client.receive_response_to(waiting).await;
    assert_eq!(refused.kind, NOT_EXISTS, "who waits for what was refused is told");
    let (status, ready) = node.process.get("/ready").await;
    assert!(status == 503 && ready.contains("spill: contents cannot be written to"), "{ready}");
    // What is in memory is there. What was in a file is lost, and whoever asks is told, again and again.
    assert!(client.get(&id(3)).await == content(3, MIB));
    for _ in 0..2 {
        let request = client.send_get(&id(0)).await;
        assert_eq!(client.receive_response_to(request).await.kind, NOT_EXISTS);
    }
    assert!(node.process.log().contains("is lost and was removed: its file cannot be read"));
    assert_eq!(client.set(&id(0), b"small").await, NOT_EXISTS, "memory is full");
    assert_eq!(client.delete(&id(3)).await, 2);
    assert_eq!(client.set(&id(0), b"small").await, SET, "a delete has made room");
    std::fs::create_dir(&place).unwrap();
    node.process.wait_until_ready().await;
    for n in 10..14 {
        assert_eq!(client.set(&id(n), &content(n, MIB)).await, SET);
    }
    let request = client.send_get(&id(10)).await;
    let got = client.receive_response_to(request).await;
    assert!(got.kind == GOT && got.payload == content(10, MIB));
}

#[tokio::test]
async fn a_full_disk_refuses_what_memory_has_no_room_for_until_it_has_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let mount = |words: &[&str]| {
        std::process::Command::new(words[0])
            .args(&words[1..])
            .arg(dir.path())
            .status()
            .is_ok_and(|s| s.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs"]) {
        println!("this user may not mount a file system: not tested");
        return;
    }
    let node = spilling(dir.path(), "2MB").await;
    let mut client = Client::connect(node.port, "one").await;
    let mut stored = 0;
    while stored < 20 && client.set(&id(stored), &content(stored, MIB)).await == SET {
        stored += 1;
    }
    assert!((4..=6).contains(&stored), "{stored} of 2 MiB of memory and 4 MiB of disk");
    eventually("/ready says why", async || {
        let (status, ready) = node.process.get("/ready").await;
        status == 503 && ready.contains("No space left on device")
    })
    .await;
    for n in 0..stored {
        assert!(client.get(&id(n)).await == content(n, MIB), "{n} is still there");
    }
    client.delete(&id(0)).await;
    client.delete(&id(1)).await;
    node.process.wait_until_ready().await;
    assert_eq!(client.set(&id(50), &content(50, MIB)).await, SET);
    drop(node);
    assert!(mount(&["umount", "-l"]));
}
