//! A page that behaves as the originals' own client does: its URL, its messages, and when it connects again.

use serde_json::{Value, json};
use test_support::{Browser, ServiceProcess, eventually};

use crate::support::{BINARY, Producer, Servers, Viewer, World, start_service};

const CLIENT: &str = "
    const [run, channel] = Array.from(arguments, (name) => encodeURIComponent(name));
    const seen = window.seen = [];
    const connect = () => {
        let isWanted = true;
        const socket = new WebSocket(`ws://${location.host}/weppcloud-microservices/status/${run}:${channel}`);
        socket.onopen = () => {
            seen.push('open');
            socket.send(JSON.stringify({ type: 'init' }));
        };
        socket.onmessage = ({ data }) => {
            const frame = JSON.parse(data);
            if (frame.type === 'ping') socket.send(JSON.stringify({ type: 'pong' }));
            if (frame.type === 'status') seen.push(frame.data);
            if (frame.type === 'hangup') {
                isWanted = false;
                socket.close();
            }
        };
        socket.onclose = () => {
            // Not for each attempt while there is no service.
            if (seen.at(-1) !== 'closed') seen.push('closed');
            if (isWanted) setTimeout(connect, 200);
        };
    };
    connect();
";
const PINGS: [(&str, &str); 2] = [("STATUS_PING_INTERVAL", "300ms"), ("STATUS_PONG_TIMEOUT", "5s")];

/// Starts a service in the place of one that has ended.
async fn start_at(port: u16, redis: &impl Servers, more: &[(&str, &str)]) -> ServiceProcess {
    let (url, address) = (redis.url(), format!("127.0.0.1:{port}"));
    let own = [("REDIS_URL", url.as_str()), ("STATUS_LISTEN_ADDR", address.as_str())];
    let service = ServiceProcess::spawn(BINARY, &[&own, &PINGS[..], more].concat());
    eventually("it takes clients", async || Viewer::connect_to(port, "r:a").await.is_ok()).await;
    service
}

#[tokio::test]
async fn the_originals_client_gets_its_lines_and_connects_again_unless_it_is_told_to_hang_up() {
    let redis = World::start().await;
    let mut service = start_service(&redis, &PINGS).await;
    let (producer, port) = (Producer::connect(&redis).await, service.port());
    let browser = Browser::start().await;
    let page = &browser.client;
    page.goto(&format!("{}/health", service.base_url())).await.unwrap();
    page.execute(CLIENT, vec![json!("batch;;x;;run-1"), json!("wepp")]).await.unwrap();
    let sees = async |expected: Value| {
        eventually(&format!("it sees {expected}"), async || {
            page.execute("return window.seen", vec![]).await.unwrap() == expected
        })
        .await;
    };
    let publish = async |text: &str| assert_eq!(producer.publish("batch;;x;;run-1:wepp", text).await, 1);
    sees(json!(["open"])).await;
    publish("a \"line\" ü").await;
    sees(json!(["open", "a \"line\" ü"])).await;
    assert_eq!(service.terminate().await, 0);
    let mut service = start_at(port, &redis, &[("STATUS_HANGUP_ON_DRAIN", "true")]).await;
    let seen = ["open", "a \"line\" ü", "closed", "open"];
    sees(json!(seen)).await;
    publish("after").await;
    let seen = [&seen[..], &["after"]].concat();
    sees(json!(seen)).await;
    assert_eq!(service.terminate().await, 0);
    let seen = [&seen[..], &["closed"]].concat();
    sees(json!(seen)).await;
    let _service = start_at(port, &redis, &[]).await;
    // Five times as long as it would take to connect.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    sees(json!(seen)).await;
    browser.close().await;
}
