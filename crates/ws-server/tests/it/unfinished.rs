//! Messages that clients begin and do not finish.

use std::time::Duration;

use futures_util::SinkExt;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;
use ws_server::Options;

use crate::options::options;
use crate::support::{TestServer, receive_close_code, receive_text};

#[tokio::test]
async fn unfinished_messages_of_all_clients_together_are_bounded_and_others_go_on() {
    let server = TestServer::start(Options { max_message_size: 1 << 20, ..options() }).await;
    let mut neighbour = server.connect("/room").await;
    receive_text(&mut neighbour).await;
    // A first fragment of a megabyte, which is whole. Further fragments would have to follow.
    let length = 1_000_000u64;
    let header = [&[0x01, 0x80 | 127][..], &length.to_be_bytes(), &[0; 4]].concat();
    let fragment = [header, vec![b'x'; length as usize]].concat();
    let mut strangers = Vec::new();
    for _ in 0..70 {
        let mut stranger = server.connect("/room").await;
        receive_text(&mut stranger).await;
        stranger.get_mut().write_all(&fragment).await.unwrap();
        strangers.push(stranger);
    }
    let code =
        tokio::time::timeout(Duration::from_secs(20), receive_close_code(strangers.last_mut().unwrap()));
    assert_eq!(code.await.expect("it is closed"), 1013);
    neighbour.send(Message::text("echo small")).await.unwrap();
    assert_eq!(receive_text(&mut neighbour).await, "echo small");
    drop(strangers);
    server.wait_for_count(1).await;
    let large = format!("echo {}", "x".repeat(900_000));
    neighbour.send(Message::text(large.clone())).await.unwrap();
    assert_eq!(receive_text(&mut neighbour).await, large);
}
