//! The frames that the README quotes are those that are sent and understood.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use test_support::{TestRedis, eventually, frame_kind, frame_shape, readme_frames, unsent_shapes};

use crate::support::{Producer, Viewer, start_service};

const README: &str = include_str!("../../README.md");
/// What clients send.
const REQUESTS: [&str; 4] = ["subscribe", "unsubscribe", "token", "pong"];

/// Notes the shape of each frame that the viewer gets.
fn note_frames(mut viewer: Viewer, sent: &Arc<Mutex<BTreeSet<String>>>) {
    let sent = sent.clone();
    tokio::spawn(async move {
        while let Ok(frame) = viewer.next().await {
            sent.lock().insert(frame_shape(&frame));
        }
    });
}

#[tokio::test]
async fn every_frame_of_the_readme_is_sent_or_understood_as_it_is_written() {
    let redis = TestRedis::start().await;
    let vars = [
        ("STATUS_PING_INTERVAL", "500ms"),
        ("STATUS_HANGUP_ON_DRAIN", "true"),
        ("STATUS_TOKEN_KEY", "secret:a secret of sixteen bytes or more"),
    ];
    let mut service = start_service(&redis, &vars).await;
    let producer = Producer::connect(&redis).await;
    let token = crate::tokens::token("*", 600);
    let connect = async |path: &str| {
        let sign = if path.contains('?') { '&' } else { '?' };
        Viewer::connect(&service, &format!("{path}{sign}token={token}")).await
    };
    let (requests, promised): (Vec<&str>, Vec<&str>) =
        readme_frames(README).into_iter().partition(|frame| REQUESTS.contains(&frame_kind(frame)));
    let sent = Arc::<Mutex<BTreeSet<String>>>::default();
    let mut asking = connect("r:a").await;
    for request in &requests {
        let text = request.replace("<run>", "s").replace("<a>", "a").replace("<b>", "b");
        asking.send(&text.replace("<JWT>", &token)).await;
        let answer = match frame_kind(request) {
            "subscribe" => r#"{"type":"subscribed","run":"s","channels":["a","b"]}"#,
            "unsubscribe" => r#"{"type":"unsubscribed","run":"s","channels":["a"]}"#,
            _ => continue,
        };
        assert_eq!(asking.next_text().await, answer, "{request}");
        sent.lock().insert(frame_shape(answer));
    }
    for kind in REQUESTS {
        assert!(requests.iter().any(|request| frame_kind(request) == kind), "{kind}");
    }
    for more in [
        r#"{"type":"unsubscribe","run":"s"}"#,
        r#"{"type":"subscribe","run":"s","channels":["a"],"history":1}"#,
        r#"{"type":"subscribe","run":"s","channels":["b"],"token":"wrong"}"#,
    ] {
        asking.send(more).await;
    }
    note_frames(asking, &sent);
    for path in ["r:a", "r:a,b", "r:a?history=1", "r:*?history=1"] {
        note_frames(connect(path).await, &sent);
    }
    redis.admin("CLIENT KILL TYPE pubsub").await;
    let unsent = || unsent_shapes(&promised, &sent.lock());
    eventually("all but the hangup are sent", async || {
        for channel in ["r:a", "r:wepp", "s:a"] {
            producer.publish(channel, "a line").await;
        }
        let unsent = unsent();
        println!("{unsent:?}");
        unsent.iter().all(|shape| shape == "hangup()")
    })
    .await;
    assert_eq!(service.terminate().await, 0);
    eventually("the hangup is sent", async || unsent().is_empty()).await;
}
