//! Large bodies that are sent slowly, many at a time.

use std::sync::Arc;
use std::time::Duration;

use test_support::ServiceProcess;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{get_json, post, start_standalone, walk};

const BODY_BYTES: usize = 31 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_large_posts_that_stop_half_way_share_a_bounded_memory_and_end() {
    let player = start_standalone(&[]).await;
    let most = Arc::new(vec![b' '; BODY_BYTES - 1]);
    let senders: Vec<_> =
        (0..40).map(|_| tokio::spawn(send_most(player.port(), Arc::clone(&most)))).collect();
    let small_posts = async {
        for number in 0.. {
            post(&player, &walk(&format!("c{number}"), 4_000_000_000_000, 100, 1)).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let answers = async {
        let mut answers = Vec::new();
        for sender in senders {
            answers.push(sender.await.unwrap());
            // The first ones have a share. Those that wait for one are refused meanwhile.
            if answers.last().is_some_and(|answer| answer.starts_with("HTTP/1.1 408 ")) {
                return;
            }
        }
        panic!("{answers:?}");
    };
    tokio::select! {
        () = small_posts => {}
        () = answers => {}
    }
    let posted = get_json(&player, "/scenarios").await.as_array().unwrap().len();
    assert!(posted >= 20, "only {posted} small posts were answered meanwhile");
    let peak = peak_bytes(&player);
    assert!(peak < 250 << 20, "{} MiB", peak >> 20);
    // The memory of those that stopped is free again.
    post(&player, &walk("large", 4_000_000_000_000, 10_000, 1)).await;
}

/// Sends all but the end of a body, and returns the first line of the answer.
async fn send_most(port: u16, body: Arc<Vec<u8>>) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = format!("POST /scenario HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // This fails if the answer comes first.
    let _ = stream.write_all(&body).await;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).await.unwrap_or_default();
    String::from_utf8_lossy(&answer[..length]).lines().next().unwrap_or_default().to_owned()
}

/// The most memory that the process has had.
fn peak_bytes(player: &ServiceProcess) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", player.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}
