//! Uploads that are cut off halfway.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use test_support::{eventually, find_python};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use crate::s3::Storage;
use crate::support::World;
use crate::tables::read_tables;

/// A proxy before a storage, which hands on half of an object, or all of it but not the answer.
struct Cutter {
    port: u16,
    cuts: Arc<Cuts>,
}

#[derive(Default)]
struct Cuts {
    /// How many of the next uploads of files are cut off halfway.
    bodies: AtomicUsize,
    /// How many of those after them have no answer.
    answers: AtomicUsize,
    /// How many were cut.
    done: AtomicUsize,
}

impl Cutter {
    async fn start(storage: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, cuts) = (listener.local_addr().unwrap().port(), Arc::new(Cuts::default()));
        let state = Arc::clone(&cuts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(hand_on(client, storage, Arc::clone(&state)));
            }
        });
        Self { port, cuts }
    }

    fn cut(&self, bodies: usize, answers: usize) {
        self.cuts.bodies.store(bodies, Ordering::SeqCst);
        self.cuts.answers.store(answers, Ordering::SeqCst);
        self.cuts.done.store(0, Ordering::SeqCst);
    }

    fn done(&self) -> usize {
        self.cuts.done.load(Ordering::SeqCst)
    }
}

/// Hands on one request: the connection is closed after its answer.
async fn hand_on(mut client: TcpStream, storage: u16, cuts: Arc<Cuts>) -> io::Result<()> {
    let mut request = Vec::new();
    let head = loop {
        if let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let body = length.unwrap_or_default();
    while request.len() < head + body {
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let is_file =
        text.starts_with("put ") && text.lines().next().is_some_and(|line| line.contains(".parquet"));
    let takes = |left: &AtomicUsize| {
        is_file && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    };
    let mut storage = TcpStream::connect(("127.0.0.1", storage)).await?;
    if takes(&cuts.bodies) {
        storage.write_all(&request[..head + body / 2]).await?;
        cuts.done.fetch_add(1, Ordering::SeqCst);
        return Ok(());
    }
    storage.write_all(&request[..head - 2]).await?;
    storage.write_all(b"Connection: close\r\n\r\n").await?;
    storage.write_all(&request[head..]).await?;
    if takes(&cuts.answers) {
        // The storage has the object when it answers.
        storage.read_u8().await?;
        cuts.done.fetch_add(1, Ordering::SeqCst);
        return Ok(());
    }
    copy(&mut storage, &mut client).await?;
    client.shutdown().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_cut_off_leaves_nothing_and_its_game_is_written_once() {
    let test = "an_upload_that_is_cut_off_leaves_nothing_and_its_game_is_written_once";
    let Some(python) = find_python(test) else { return };
    let storage = Storage::start(python).await;
    storage.create_bucket("games").await;
    let cutter = Cutter::start(storage.port()).await;
    let world = World::start().await;
    let endpoint = format!("http://127.0.0.1:{}", cutter.port);
    let vars = [
        ("ETL_OUTPUT", "s3://games/data"),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    let _worker = world.start_worker("w", &vars).await;
    // A file that a reader finds is whole: otherwise it could not be read.
    let read = async || read_tables(&storage.download("games", "data").await.path().join("data")).unwrap();

    let mut expected = world.play_small_game("halfway").await;
    cutter.cut(usize::MAX, 0);
    world.publish_game_ended("halfway").await;
    eventually("uploads are cut off", async || cutter.done() >= 3).await;
    assert!(read().await.games().is_empty(), "half an upload is visible");
    assert!(!world.is_done("halfway").await);
    cutter.cut(0, 0);
    world.wait_until_done(&["halfway"]).await;
    assert!(read().await == expected);

    // The objects are there, but the worker does not hear of it.
    expected.add(world.play_small_game("unanswered").await);
    cutter.cut(0, 2);
    world.publish_game_ended("unanswered").await;
    world.wait_until_done(&["unanswered"]).await;
    assert_eq!(cutter.done(), 2);
    assert!(read().await == expected);

    // Nor does a compaction that is cut off name a snapshot.
    let flags = vars.map(|(name, value)| format!("--{}={value}", name.to_lowercase().replace('_', "-")));
    let args: Vec<&str> = flags.iter().map(String::as_str).chain(["compact"]).collect();
    let snapshots = async || {
        let copy = storage.download("games", "data/COMPACTED").await;
        let names = |path: &str| -> BTreeSet<String> {
            let Ok(entries) = copy.path().join(path).read_dir() else { return BTreeSet::new() };
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        names("data/COMPACTED")
    };
    cutter.cut(usize::MAX, 0);
    let failed = world.run_command(&args).await;
    assert!(!failed.status.success());
    assert!(snapshots().await.is_empty(), "half a snapshot is visible");
    cutter.cut(2, 0);
    let compacted = world.run_command(&args).await;
    assert!(compacted.status.success(), "{}", String::from_utf8_lossy(&compacted.stderr));
    assert_eq!(cutter.done(), 2);
    assert!(snapshots().await.contains("latest"));
}
