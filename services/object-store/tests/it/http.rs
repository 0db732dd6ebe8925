//! The store over HTTP.

use std::time::Duration;

use test_support::{check_other_sites, check_token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Client, DEADLINE, Node, SET, id};
use crate::shared_redis::SharedRedis;

async fn serves_objects(node: &Node, backend: &str) {
    let http = reqwest::Client::new();
    let url = format!("{}/objects/{}", node.process.base_url(), id(1));
    assert_eq!(http.get(&url).send().await.unwrap().status(), 404);
    let put = async |body: Vec<u8>| {
        http.put(&url).header("x-object-metadata", "caf%C3%A9").body(body).send().await.unwrap().status()
    };
    assert_eq!(put(b"hello".to_vec()).await, 201);
    assert_eq!(put(vec![3; 2_000_000]).await, 204);
    let got = http.get(&url).send().await.unwrap();
    assert_eq!(
        (got.status().as_u16(), &got.headers()["x-object-metadata"]),
        (200, &"caf%C3%A9".parse().unwrap())
    );
    assert!(got.bytes().await.unwrap() == vec![3; 2_000_000]);
    let head = http.head(&url).send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()),
        (200, "2000000")
    );
    assert_eq!(&head.headers()["x-object-metadata"], "caf%C3%A9");
    let plain = format!("{}/objects/{}", node.process.base_url(), id(7));
    let put_plain = http.put(&plain).header("x-object-metadata", "text/plain").body("x");
    assert_eq!(put_plain.send().await.unwrap().status(), 201);
    let got = http.get(&plain).send().await.unwrap();
    assert_eq!(&got.headers()["x-object-metadata"], "text/plain", "what needs no encoding has none");
    assert_eq!(http.delete(&plain).send().await.unwrap().status(), 204);

    // Clients of the wire see the same store.
    let mut client = Client::connect(node.port, "one").await;
    assert!(client.get(&id(1)).await == vec![3; 2_000_000]);
    let waiting = client.send_get(&id(2)).await;
    assert!(client.receives_nothing().await);
    let other = format!("{}/objects/{}", node.process.base_url(), id(2));
    http.put(&other).body("over http").send().await.unwrap();
    assert_eq!(client.receive_response_to(waiting).await.payload, b"over http");

    let (_, info) = node.process.get("/info").await;
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!((info["type"].as_str(), info["object_count"].as_u64()), (Some(backend), Some(2)));
    assert_eq!(info["total_size_bytes"], 4 + 5 + 2_000_000 + 4 + 9);
    assert_eq!(info["max_object_size_mb"], 2);
    assert!(info["used_memory"].as_u64() > Some(100_000), "that of the process, or of Redis");
    assert_eq!(info["redis_used_memory"].is_u64(), backend == "redis");

    assert_eq!(http.delete(&url).send().await.unwrap().status(), 204);
    assert_eq!(http.delete(&url).send().await.unwrap().status(), 404);
    assert_eq!(http.head(&url).send().await.unwrap().status(), 404);
    assert_eq!(put(vec![0; (2 << 20) + 1]).await, 413);
    let bad = format!("{}/objects/xyz", node.process.base_url());
    assert_eq!(http.get(&bad).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn objects_are_served_from_memory() {
    serves_objects(&Node::memory(&[("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "2")]).await, "memory").await;
}

#[tokio::test]
async fn objects_are_served_from_redis() {
    let redis = SharedRedis::start().await;
    let vars = [
        ("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "2"),
        ("OBJECT_STORE_BACKEND", "redis"),
        ("REDIS_URL", &redis.url()),
    ];
    let node = Node::memory(&vars).await;
    node.process.wait_until_ready().await;
    serves_objects(&node, "redis").await;
}

/// One upload in each way sends a byte and waits. All others go on, and in the end it is given up.
async fn slow_uploads_stop_nobody(node: &Node) {
    let address = node.process.base_url().trim_start_matches("http://").to_owned();
    let mut slow = Vec::new();
    for head in ["transfer-encoding: chunked\r\n\r\n1\r\nx\r\n", "content-length: 60000000\r\n\r\nx"] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let request = format!("PUT /objects/{} HTTP/1.1\r\nhost: here\r\n{head}", id(9));
        stream.write_all(request.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    // So that both have been read.
    assert!(timeout(Duration::from_millis(300), slow[0].read(&mut [0; 1])).await.is_err());
    let mut client = Client::connect(node.port, "one").await;
    let others = async {
        assert_eq!(client.set(&id(1), &[1; 20_000]).await, SET);
        assert_eq!(client.set(&id(2), &vec![2; 3_000_000]).await, SET);
        let url = format!("{}/objects/{}", node.process.base_url(), id(3));
        let parts = (0..50).map(|_| Ok::<_, std::io::Error>(vec![3; 100_000]));
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(parts));
        let put = reqwest::Client::new().put(url).body(body).send().await.unwrap();
        assert_eq!(put.status(), 201);
        assert!(client.get(&id(3)).await == vec![3; 5_000_000]);
    };
    timeout(Duration::from_secs(4), others).await.expect("nobody waits for the slow uploads");
    for mut stream in slow {
        let mut response = [0; 13];
        timeout(DEADLINE, stream.read_exact(&mut response)).await.expect("it is given up").unwrap();
        assert_eq!(&response, b"HTTP/1.1 400 ");
    }
}

#[tokio::test]
async fn a_slow_upload_stops_nobody() {
    let limits = [
        ("OBJECT_STORE_MAX_TRANSFER_MEMORY", "64MB"),
        ("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "60"),
        ("OBJECT_STORE_STALL_TIMEOUT", "5s"),
    ];
    let redis = SharedRedis::start().await;
    let (memory, redis_url) = (Node::memory(&limits).await, redis.url());
    let on_redis = Node::redis_with(&redis_url, &limits).await;
    tokio::join!(slow_uploads_stop_nobody(&memory), slow_uploads_stop_nobody(&on_redis));
}

#[tokio::test]
async fn without_a_token_objects_are_not_written_over_http_and_with_one_every_request_needs_it() {
    let http = reqwest::Client::new();
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
    let closed = Node::memory(&[("OBJECT_STORE_HTTP_WRITES", "false")]).await;
    let object = |node: &Node| format!("{}/objects/{}", node.process.base_url(), id(1));
    assert_eq!(status(http.put(object(&closed)).body("x")).await, 403);
    assert_eq!(status(http.delete(object(&closed))).await, 403);
    assert_eq!(status(http.delete(format!("{}/objects", closed.process.base_url()))).await, 403);
    Client::connect(closed.port, "one").await.set(&id(1), b"x").await;
    assert_eq!(status(http.get(object(&closed))).await, 200);

    let node = Node::memory(&[("OBJECT_STORE_TOKEN", "secret")]).await;
    let info = format!("{}/info", node.process.base_url());
    for token in [None, Some("wrong"), Some("")] {
        let with = |request: reqwest::RequestBuilder| match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        for request in [
            http.get(object(&node)),
            http.head(object(&node)),
            http.put(object(&node)).body("x"),
            http.delete(object(&node)),
            http.get(&info),
            http.get(format!("{}/objects", node.process.base_url())),
            http.delete(format!("{}/objects", node.process.base_url())),
        ] {
            assert_eq!(status(with(request)).await, 401, "{token:?}");
        }
    }
    assert_eq!(status(http.put(object(&node)).bearer_auth("secret").body("x")).await, 201);
    assert_eq!(status(http.get(object(&node)).bearer_auth("secret")).await, 200);
    assert_eq!(status(http.get(&info).bearer_auth("secret")).await, 200);
    let all = format!("{}/objects", node.process.base_url());
    assert_eq!(status(http.delete(all).bearer_auth("secret")).await, 204);
    assert_eq!(status(http.get(object(&node)).bearer_auth("secret")).await, 404);
    let everything =
        ["GET /", "GET /objects", "GET /info", "PUT /objects/01", "DELETE /objects/01", "DELETE /objects"];
    check_token(&node.process, &everything).await;
}

#[tokio::test]
async fn pages_of_other_sites_store_and_delete_nothing_and_programs_are_served() {
    let node = Node::memory(&[("OBJECT_STORE_HTTP_WRITES", "true")]).await;
    let changes = ["PUT /objects/01", "DELETE /objects/01", "DELETE /objects"];
    check_other_sites(&node.process, &changes).await;
}
