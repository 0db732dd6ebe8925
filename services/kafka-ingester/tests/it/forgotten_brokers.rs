//! A broker that sometimes answers that the cluster has no brokers, as one that is just starting may.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use test_support::{ServiceProcess, TestRedis, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::BINARY;

const API_VERSIONS: i16 = 18;
const METADATA: i16 = 3;
const TOPIC: &str = "batteries";

/// Several, because librdkafka does not forget its brokers every time.
const ROUNDS: usize = 4;

#[derive(Default)]
struct Broker {
    port: u16,
    /// Whether the next answer says that there are no brokers.
    omits_brokers: AtomicBool,
    metadata_requests: AtomicUsize,
}

#[tokio::test]
async fn brokers_that_librdkafka_has_forgotten_are_added_again() {
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
        broker.omits_brokers.store(true, Ordering::Relaxed);
        eventually("a client was told that there are no brokers", async || {
            !broker.omits_brokers.load(Ordering::Relaxed)
        })
        .await;
        let before = broker.metadata_requests.load(Ordering::Relaxed);
        eventually("the client sends requests again", async || {
            broker.metadata_requests.load(Ordering::Relaxed) > before + 2
        })
        .await;
    }
    service.wait_until_ready().await;
}

/// Answers requests for API versions and metadata until the connection ends.
async fn serve(mut stream: TcpStream, broker: Arc<Broker>) {
    while let Ok(length) = stream.read_i32().await {
        let mut request = vec![0; length as usize];
        if stream.read_exact(&mut request).await.is_err() {
            return;
        }
        let read_i16 = |index: usize| i16::from_be_bytes([request[index], request[index + 1]]);
        // The response begins with the request's correlation id.
        let mut response = request[4..8].to_vec();
        match (read_i16(0), read_i16(2)) {
            (API_VERSIONS, version) => {
                // Only version 0 of this request and version 1 of the metadata request are supported.
                let error = if version > 0 { 35_i16 } else { 0 };
                response.extend(error.to_be_bytes());
                response.extend(2_i32.to_be_bytes());
                for number in [API_VERSIONS, 0, 0, METADATA, 1, 1] {
                    response.extend(number.to_be_bytes());
                }
            }
            (METADATA, _) => {
                broker.metadata_requests.fetch_add(1, Ordering::Relaxed);
                write_metadata(
                    &mut response,
                    broker.port,
                    !broker.omits_brokers.swap(false, Ordering::Relaxed),
                );
            }
            _ => return,
        }
        let length = i32::try_from(response.len()).unwrap();
        if stream.write_i32(length).await.is_err() || stream.write_all(&response).await.is_err() {
            return;
        }
    }
}

/// Describes one topic of one partition, and its leader unless there is no broker.
fn write_metadata(response: &mut Vec<u8>, port: u16, has_broker: bool) {
    let write_string = |response: &mut Vec<u8>, text: &str| {
        response.extend((text.len() as i16).to_be_bytes());
        response.extend(text.as_bytes());
    };
    response.extend(i32::from(has_broker).to_be_bytes());
    if has_broker {
        response.extend(1_i32.to_be_bytes());
        write_string(response, "127.0.0.1");
        response.extend(i32::from(port).to_be_bytes());
        response.extend((-1_i16).to_be_bytes());
    }
    response.extend(if has_broker { 1_i32 } else { -1 }.to_be_bytes());
    response.extend(1_i32.to_be_bytes());
    response.extend(0_i16.to_be_bytes());
    write_string(response, TOPIC);
    response.push(0);
    response.extend(1_i32.to_be_bytes());
    // Error, partition, leader, number of replicas, number of replicas in sync.
    response.extend(if has_broker { 0_i16 } else { 5 }.to_be_bytes());
    for number in [0_i32, if has_broker { 1 } else { -1 }, 0, 0] {
        response.extend(number.to_be_bytes());
    }
}
