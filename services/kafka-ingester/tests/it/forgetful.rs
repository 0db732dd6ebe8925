//! A broker that answers now and then, as one that is just starting may, that the cluster has none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use test_support::{ServiceProcess, TestRedis, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::BINARY;

const API_VERSIONS: i16 = 18;
const METADATA: i16 = 3;
const TOPIC: &str = "batteries";

/// librdkafka does not lose its brokers each time.
const ROUNDS: usize = 4;

#[derive(Default)]
struct Broker {
    port: u16,
    forgets: AtomicBool,
    asked: AtomicUsize,
}

#[tokio::test]
async fn brokers_that_are_forgotten_are_found_again() {
    let redis = TestRedis::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let broker = Arc::new(Broker { port, ..Broker::default() });
    let serving = Arc::clone(&broker);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&serving)));
        }
    });
    let (address, url) = (format!("127.0.0.1:{port}"), redis.url());
    let vars =
        [("KAFKA_TOPIC", TOPIC), ("KAFKA_BROKER", &address), ("KAFKA_GROUP", "group"), ("REDIS_URL", &url)];
    let service = ServiceProcess::start(BINARY, &vars).await;
    service.wait_until_ready().await;
    for _ in 0..ROUNDS {
        broker.forgets.store(true, Ordering::Relaxed);
        eventually("it is told that there is none", async || !broker.forgets.load(Ordering::Relaxed)).await;
        let before = broker.asked.load(Ordering::Relaxed);
        eventually("it asks on", async || broker.asked.load(Ordering::Relaxed) > before + 2).await;
    }
    service.wait_until_ready().await;
}

/// Answers requests until the connection ends: which versions there are, and metadata.
async fn serve(mut stream: TcpStream, broker: Arc<Broker>) {
    while let Ok(length) = stream.read_i32().await {
        let mut request = vec![0; length as usize];
        if stream.read_exact(&mut request).await.is_err() {
            return;
        }
        let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let mut answer = request[4..8].to_vec();
        match (number(0), number(2)) {
            (API_VERSIONS, version) => {
                // No version but 0, and of metadata none but 1.
                let error = if version > 0 { 35_i16 } else { 0 };
                answer.extend(error.to_be_bytes());
                answer.extend(2_i32.to_be_bytes());
                for number in [API_VERSIONS, 0, 0, METADATA, 1, 1] {
                    answer.extend(number.to_be_bytes());
                }
            }
            (METADATA, _) => {
                broker.asked.fetch_add(1, Ordering::Relaxed);
                metadata(&mut answer, broker.port, !broker.forgets.swap(false, Ordering::Relaxed));
            }
            _ => return,
        }
        let length = i32::try_from(answer.len()).unwrap();
        if stream.write_i32(length).await.is_err() || stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// One topic of one partition, and the broker that leads it if there is one.
fn metadata(answer: &mut Vec<u8>, port: u16, has_broker: bool) {
    let text = |answer: &mut Vec<u8>, text: &str| {
        answer.extend((text.len() as i16).to_be_bytes());
        answer.extend(text.as_bytes());
    };
    answer.extend(i32::from(has_broker).to_be_bytes());
    if has_broker {
        answer.extend(1_i32.to_be_bytes());
        text(answer, "127.0.0.1");
        answer.extend(i32::from(port).to_be_bytes());
        answer.extend((-1_i16).to_be_bytes());
    }
    answer.extend(if has_broker { 1_i32 } else { -1 }.to_be_bytes());
    answer.extend(1_i32.to_be_bytes());
    answer.extend(0_i16.to_be_bytes());
    text(answer, TOPIC);
    answer.push(0);
    answer.extend(1_i32.to_be_bytes());
    // Error, partition, leader, replicas, those in sync.
    answer.extend(if has_broker { 0_i16 } else { 5 }.to_be_bytes());
    for number in [0_i32, if has_broker { 1 } else { -1 }, 0, 0] {
        answer.extend(number.to_be_bytes());
    }
}
