//! Clients that are slow, in each way: they cost what they have sent, and stop nobody.

use std::time::{Duration, Instant};

use object_store::header::RequestKind;
use test_support::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Client, DEADLINE, Node, SET, id, size};
use crate::shared_redis::SharedRedis;

const LIMITS: [(&str, &str); 2] =
    [("OBJECT_STORE_MAX_TRANSFER_MEMORY", "64MB"), ("OBJECT_STORE_CACHE_SIZE", "1MB")];
/// The time after which a user would say that it hangs.
const SOON: Duration = Duration::from_secs(5);

/// Others store and read objects of every length, over the wire and over HTTP.
async fn others_are_served(node: &Node, what: &str) {
    let began = Instant::now();
    let mut client = Client::connect(node.port, "other").await;
    let others = async {
        for (n, length) in [(101, 1_000), (102, 20_000), (103, 900_000), (104, 6_000_000)] {
            let data = vec![n as u8; length];
            assert_eq!(client.set(&id(n), &data).await, SET);
            assert!(client.get(&id(n)).await == data);
            let url = format!("{}/objects/{}", node.process.base_url(), id(n));
            let quarter = data[..length / 4].to_vec();
            let parts = (0..4).map(move |_| Ok::<_, std::io::Error>(quarter.clone()));
            let body = reqwest::Body::wrap_stream(futures_util::stream::iter(parts));
            let http = reqwest::Client::new();
            assert_eq!(http.put(&url).body(body).send().await.unwrap().status(), 204);
            assert!(http.get(&url).send().await.unwrap().bytes().await.unwrap() == data);
            assert_eq!(node.process.get("/ready").await.0, 200);
        }
    };
    let limit = if what.contains("cut off") { 2 * SOON } else { SOON };
    timeout(limit, others).await.unwrap_or_else(|_| panic!("{what}: others wait"));
    println!("{what}: {:?}", began.elapsed());
}

async fn each_slow_upload(node: &Node) {
    let most = 60 << 20;
    for (n, sent) in [(1, 1_000), (2, 300_000), (3, 1_100_000), (4, 30 << 20)] {
        let mut slow = Client::connect(node.port, "slow").await;
        let (header, _) = slow.encode_request(RequestKind::Set, &id(n), most as u64, None);
        slow.stream
            .write_all(&[header.as_slice(), &(most as u64).to_le_bytes(), &vec![1; sent]].concat())
            .await
            .unwrap();
        others_are_served(node, &format!("an upload of {most} that stops after {sent}")).await;
    }
    let address = node.process.base_url().trim_start_matches("http://").to_owned();
    let mut slow = Vec::new();
    for (head, sent) in [("content-length: 62914560", 3 << 20), ("transfer-encoding: chunked", 3 << 20)] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let mut request = format!("PUT /objects/{} HTTP/1.1\r\nhost: here\r\n{head}\r\n\r\n", id(9));
        if head.contains("chunked") {
            request += "1e00000\r\n";
        }
        stream.write_all(&[request.as_bytes(), &vec![1; sent]].concat()).await.unwrap();
        others_are_served(node, &format!("PUT with {head}")).await;
        slow.push(stream);
    }
    // Each is answered, and its socket is closed.
    for mut stream in slow {
        let mut response = Vec::new();
        let ended = timeout(2 * DEADLINE, stream.read_to_end(&mut response)).await;
        ended.unwrap_or_else(|_| panic!("it ends: {}", String::from_utf8_lossy(&response))).unwrap();
        assert!(response.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&response));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_of_each_kind_stops_nobody() {
    let redis = SharedRedis::start().await;
    let limits = [LIMITS.as_slice(), &[("OBJECT_STORE_STALL_TIMEOUT", "20s")]].concat();
    let (memory, on_redis) = (Node::memory(&limits).await, Node::redis_with(&redis.url(), &limits).await);
    tokio::join!(each_slow_upload(&memory), each_slow_upload(&on_redis));
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_do_not_read_are_cut_off_when_others_wait_for_their_memory() {
    let redis = SharedRedis::start().await;
    let limits = [LIMITS.as_slice(), &[("OBJECT_STORE_STALL_TIMEOUT", "20s")]].concat();
    let node = Node::redis_with(&redis.url(), &limits).await;
    let mut client = Client::connect(node.port, "one").await;
    client.set(&id(1), &vec![1; 60 << 20]).await;
    let mut reader = Client::connect(node.port, "reader").await;
    reader.send_get(&id(1)).await;
    others_are_served(&node, "a get that nobody reads is cut off").await;
    let address = node.process.base_url().trim_start_matches("http://").to_owned();
    let mut over_http = TcpStream::connect(&address).await.unwrap();
    let request = format!("GET /objects/{} HTTP/1.1\r\nhost: here\r\n\r\n", id(1));
    over_http.write_all(request.as_bytes()).await.unwrap();
    over_http.read_exact(&mut [0; 100]).await.unwrap();
    others_are_served(&node, "a GET that nobody reads is cut off").await;
}

/// 30 clients that get one object over HTTP and do not read it. A third of them reads its beginning.
async fn readers_that_stall(node: &Node) -> Vec<TcpStream> {
    let address = node.process.base_url().trim_start_matches("http://").to_owned();
    let mut readers = Vec::new();
    for _ in 0..30 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let request = format!("GET /objects/{} HTTP/1.1\r\nhost: here\r\n\r\n", id(1));
        stream.write_all(request.as_bytes()).await.unwrap();
        readers.push(stream);
    }
    for reader in readers.iter_mut().take(10) {
        reader.read_exact(&mut [0; 10_000]).await.unwrap();
    }
    readers
}

const STALL_TIMEOUT: Duration = Duration::from_secs(3);

async fn many_who_stall_share_memory_stop_nobody_and_are_cut_off(node: &Node) {
    let length = size(30, 90) << 20;
    let mut client = Client::connect(node.port, "one").await;
    client.set(&id(1), &vec![1; length]).await;
    let before = node.resident();
    let readers = readers_that_stall(node).await;
    for what in ["30 GETs that nobody reads", "30 GETs that nobody has read for a while"] {
        let grown = node.resident().saturating_sub(before);
        println!("{} MiB for 30 readers of {} MiB", grown >> 20, length >> 20);
        // A copy for each would be 30 times the length. On a slow machine a reader may come after the read of the first ended,
        // and begin another; the sockets' buffers and the allocator take some MiB.
        assert!(grown < 3 * length as u64, "{grown} bytes for 30 readers");
        others_are_served(node, what).await;
    }
    // Only time can tell who has stalled for long enough.
    tokio::time::sleep(2 * STALL_TIMEOUT).await;
    for mut reader in readers {
        let mut response = Vec::new();
        let ended = timeout(DEADLINE, reader.read_to_end(&mut response)).await;
        let _reset_or_closed = ended.expect("its connection ends");
        assert!(response.len() < length, "it got everything");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_get_an_object_over_http_and_do_not_read_stop_nobody_and_are_cut_off() {
    let redis = SharedRedis::start().await;
    let (full, stall) = ((size(64, 128) << 20).to_string(), ("OBJECT_STORE_STALL_TIMEOUT", "3s"));
    let limits = [stall, ("OBJECT_STORE_MAX_TRANSFER_MEMORY", &full), ("OBJECT_STORE_CACHE_SIZE", "1MB")];
    let (memory, on_redis) = (Node::memory(&limits).await, Node::redis_with(&redis.url(), &limits).await);
    tokio::join!(
        many_who_stall_share_memory_stop_nobody_and_are_cut_off(&memory),
        many_who_stall_share_memory_stop_nobody_and_are_cut_off(&on_redis),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_have_sent_of_their_objects_counts() {
    let node = Node::memory(&[("OBJECT_STORE_MAX_TRANSFER_MEMORY", "64MB")]).await;
    let mut good = Client::connect(node.port, "good").await;
    good.set(&id(1), b"x").await;
    let before = node.resident();
    let (mut clients, part, count) = (Vec::new(), vec![7; 1 << 20], size(200, 1_500));
    for n in 0..count {
        let mut client = Client::connect(node.port, &format!("client-{n}")).await;
        let length = 2 << 20;
        let (header, _) = client.encode_request(RequestKind::Set, &id(2), length, None);
        client.stream.write_all(&[header.as_slice(), &length.to_le_bytes()].concat()).await.unwrap();
        // What the node does not take stays with the client.
        let _ = timeout(Duration::from_millis(20), client.stream.write_all(&part)).await;
        clients.push(client);
    }
    let grown = node.resident().saturating_sub(before);
    println!("{} MiB for {} MiB that were sent", grown >> 20, clients.len());
    // The budget, what a connection takes by itself, and the allocator.
    let limit = (64 << 20) + (count as u64 * (32 << 10)) + (20 << 20);
    assert!(grown < limit, "{grown} bytes, {limit} allowed");
    assert_eq!(good.set(&id(1), &[1; 100_000]).await, SET, "small objects go on");
}

/// Gets of four clients wait, and their clients are reset. Returns the bytes that the gets took.
async fn many_gets_wait_until_their_clients_are_gone(node: &Node, round: u64) -> u64 {
    let (before, each) = (node.resident(), size(2_500, 25_000) as u64);
    let mut clients = Vec::new();
    for n in 0..4 {
        let mut client = Client::connect(node.port, &format!("gone-{round}-{n}")).await;
        let mut bytes = Vec::new();
        for get in 0..each {
            let id = id((4 * round + n) * each + get);
            bytes.extend(client.encode_request(RequestKind::Get, &id, u64::MAX, None).0);
        }
        client.stream.write_all(&bytes).await.unwrap();
        clients.push(client);
    }
    eventually("all wait", async || node.info("pending_request_count").await == 4 * each).await;
    let taken = node.resident().saturating_sub(before);
    clients.into_iter().for_each(Client::reset);
    eventually("none waits", async || node.info("pending_request_count").await == 0).await;
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_gets_of_clients_that_have_gone_leave_no_memory() {
    let redis = SharedRedis::start().await;
    let grace = [("OBJECT_STORE_RECONNECT_GRACE", "300ms")];
    let (memory, on_redis) = (Node::memory(&grace).await, Node::redis_with(&redis.url(), &grace).await);
    for node in [&memory, &on_redis] {
        // The first ones also leave what a process keeps for further ones. What they leak would grow with each round.
        let taken = many_gets_wait_until_their_clients_are_gone(node, 0).await;
        let before = node.resident();
        for round in 1..4 {
            many_gets_wait_until_their_clients_are_gone(node, round).await;
        }
        let limit = 3 * taken / 4;
        eventually("their memory is free", async || node.resident().saturating_sub(before) < limit).await;
        let left = node.resident().saturating_sub(before);
        println!("{} KiB while the gets of a round waited, {} KiB left by three", taken >> 10, left >> 10);
    }
}
