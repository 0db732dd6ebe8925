//! The store over HTTP.

use test_support::TestRedis;

use crate::client::{Client, Node, id};

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
    let redis = TestRedis::start().await;
    let vars = [
        ("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "2"),
        ("OBJECT_STORE_BACKEND", "redis"),
        ("REDIS_URL", &redis.url()),
    ];
    let node = Node::memory(&vars).await;
    node.process.wait_until_ready().await;
    serves_objects(&node, "redis").await;
}
