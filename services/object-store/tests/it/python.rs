//! The Python client, with the original's signature.

use tokio::process::Command;

use crate::client::Node;
use crate::shared_redis::SharedRedis;

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_does_what_the_originals_class_does() {
    let redis = SharedRedis::start().await;
    let limit = [("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "2"), ("OBJECT_STORE_TOKEN", "secret")];
    for node in [Node::memory(&limit).await, Node::redis_with(&redis.url(), &limit).await] {
        let done = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/clients/python/test_object_storage.py"))
            .arg(node.process.base_url())
            .env("OBJECT_STORE_TOKEN", "secret")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .await
            .unwrap();
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && done.stdout.ends_with(b"all right\n"), "{stderr}");
    }
}
