//! The frames that the README quotes are those that are sent and understood.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use parking_lot::Mutex;
use test_support::{eventually, frame_kind, frame_shape, readme_frames, unsent_shapes};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{TestEnv, Viewer};

const README: &str = include_str!("../../README.md");
/// What clients send.
const REQUESTS: [&str; 4] = ["subscribe", "unsubscribe", "token", "pong"];

/// Notes the shape of each frame that the viewer gets.
fn note_frames(viewer: Viewer, sent: &Arc<Mutex<BTreeSet<String>>>) {
    let (sent, mut viewer) = (sent.clone(), viewer.0);
    tokio::spawn(async move {
        while let Some(Ok(message)) = viewer.next().await {
            if let Message::Text(frame) = message {
                sent.lock().insert(frame_shape(&frame));
            }
        }
    });
}

#[tokio::test]
async fn every_frame_of_the_readme_is_sent_or_understood_as_it_is_written() {
    let vars = [
        ("PREFLIGHT_PING_INTERVAL", "500ms"),
        ("PREFLIGHT_HANGUP_ON_DRAIN", "true"),
        ("PREFLIGHT_TOKEN_KEY", "secret:a secret of sixteen bytes or more"),
    ];
    let mut env = TestEnv::start(&vars).await;
    env.set("run", "timestamps:a", 7).await;
    let token = crate::tokens::token("*", 600);
    let (requests, promised): (Vec<&str>, Vec<&str>) =
        readme_frames(README).into_iter().partition(|frame| REQUESTS.contains(&frame_kind(frame)));
    let mut asking = Viewer::connect(&env.service, &format!("/run?token={token}")).await.unwrap();
    assert_eq!(frame_kind(&asking.next_text().await), "preflight");
    let sent = Arc::<Mutex<BTreeSet<String>>>::default();
    for request in &requests {
        let text = request.replace("<JWT>", &token).replace("optional, in place of the socket's", &token);
        asking.send(&text).await;
        let answer = match frame_kind(request) {
            "subscribe" => "subscribed",
            "unsubscribe" => "unsubscribed",
            _ => continue,
        };
        loop {
            let frame = asking.next_text().await;
            sent.lock().insert(frame_shape(&frame));
            if frame_kind(&frame) == answer {
                break;
            }
        }
    }
    for wanted in REQUESTS {
        assert!(requests.iter().any(|request| frame_kind(request) == wanted), "{wanted}");
    }
    asking.send(r#"{"type":"subscribe","run":"empty"}"#).await;
    asking.send(r#"{"type":"subscribe","run":"other","token":"wrong"}"#).await;
    note_frames(asking, &sent);
    note_frames(Viewer::connect(&env.service, &format!("/run?token={token}")).await.unwrap(), &sent);
    let unsent = || unsent_shapes(&promised, &sent.lock());
    eventually("all but the hangup are sent", async || {
        let unsent = unsent();
        println!("{unsent:?}");
        unsent.iter().all(|shape| shape == "hangup()")
    })
    .await;
    assert_eq!(env.service.terminate().await, 0);
    eventually("the hangup is sent", async || unsent().is_empty()).await;
}
