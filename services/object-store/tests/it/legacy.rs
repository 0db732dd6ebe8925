//! Objects that the original server stored in the same Redis.

use std::time::{Duration, Instant};

use fred::interfaces::KeysInterface;
use object_store::header::RequestKind;
use test_support::TestRedis;

use crate::client::{Client, DELETED, DUPLICATED, NOT_EXISTS, Node, SET, id};

/// A second or two, on a busy machine.
const SOON: Duration = Duration::from_secs(4);

/// The format of the original's `_serialize`: length of the metadata (u32, little-endian), metadata, data.
fn encode_legacy(metadata: &[u8], data: &[u8]) -> Vec<u8> {
    [&(metadata.len() as u32).to_le_bytes(), metadata, data].concat()
}

#[tokio::test]
async fn objects_of_the_original_are_read_copied_counted_and_removed() {
    let redis = TestRedis::start().await;
    let node = Node::redis(&redis).await;
    let commands = redis.client().await;
    let mut client = Client::connect(node.port, "one").await;
    let large: Vec<u8> = (0..2_500_000_u32).map(|n| (n % 249) as u8).collect();
    for (n, metadata, data) in [(1, b"".as_slice(), b"plain".as_slice()), (2, b"notes", &large)] {
        let value = encode_legacy(metadata, data);
        let key = format!("scaler:obj:{}", id(n));
        commands.set::<(), _, _>(key, value.as_slice(), None, None, false).await.unwrap();
        commands.incr_by::<(), _>("scaler:obj:_meta:total_size", value.len() as i64).await.unwrap();
    }
    assert_eq!(client.get(&id(1)).await, b"plain");
    assert!(client.get(&id(2)).await == large);
    let request = client.send(RequestKind::Get, &id(2), 7, None).await;
    assert_eq!(client.receive_response_to(request).await.payload, large[..7]);
    assert_eq!(node.info("object_count").await, 2);
    assert_eq!(node.info("total_size_bytes").await, 9 + 9 + 2_500_000);
    assert_eq!(client.duplicate(&id(3), &id(2)).await, DUPLICATED);
    assert_eq!(client.delete(&id(2)).await, DELETED);
    assert_eq!(client.delete(&id(2)).await, NOT_EXISTS);
    assert!(client.get(&id(3)).await == large);
    assert_eq!(client.set(&id(1), b"ours").await, SET);
    assert_eq!(client.get(&id(1)).await, b"ours");
    assert_eq!(node.info("total_size_bytes").await, (4 + 4) + (9 + 2_500_000));

    // The original stores an object that a request waits for. It sends no notification.
    let waiting = client.send_get(&id(9)).await;
    let copy = client.send_duplicate(&id(10), &id(9)).await;
    assert!(client.receives_nothing().await);
    let began = Instant::now();
    commands
        .set::<(), _, _>(
            format!("scaler:obj:{}", id(9)),
            encode_legacy(b"", b"late").as_slice(),
            None,
            None,
            false,
        )
        .await
        .unwrap();
    let mut responses = [client.receive().await, client.receive().await];
    let took = began.elapsed();
    assert!(took < SOON, "it took {took:?}");
    responses.sort_by_key(|response| response.request_id);
    assert_eq!((responses[0].request_id, responses[0].payload.as_slice()), (waiting, b"late".as_slice()));
    assert_eq!((responses[1].request_id, responses[1].kind), (copy, DUPLICATED));
    assert_eq!(client.get(&id(10)).await, b"late");
}
