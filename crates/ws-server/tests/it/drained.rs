//! A service that has much for one client sends it as the client takes it.

use std::time::Duration;

use tokio::time::timeout;

use crate::options::options;
use crate::support::{TestServer, receive_text};

#[tokio::test]
async fn a_client_is_drained_when_it_has_taken_nearly_all_and_a_closed_one_never() {
    let server = TestServer::start(options()).await;
    let mut reader = server.connect("/room").await;
    receive_text(&mut reader).await;
    let client = server.first_client();
    assert!(client.drained().await);
    while client.is_drained() {
        server.publish(&"x".repeat(100_000)).await;
    }
    assert!(timeout(Duration::from_millis(100), client.drained()).await.is_err());
    let mut drained = tokio::spawn({
        let client = client.clone();
        async move { client.drained().await }
    });
    let is_open = loop {
        tokio::select! {
            is_open = &mut drained => break is_open.unwrap(),
            _ = receive_text(&mut reader) => {}
        }
    };
    assert!(is_open);
    while client.is_drained() {
        server.publish(&"x".repeat(100_000)).await;
    }
    client.close(4000, "enough");
    assert!(!client.drained().await);
}
