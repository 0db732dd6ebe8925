//! The page in a real browser.

use fred::interfaces::{HashesInterface, KeysInterface};
use serde_json::Value;
use test_support::{Browser, TestRedis, eventually};

use crate::support::{BINARY, Producer, start_service};

async fn element_text(browser: &Browser, id: &str) -> String {
    let script = format!("return document.getElementById('{id}').innerText");
    let text: Value = browser.client.execute(&script, Vec::new()).await.unwrap();
    text.as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_page_shows_history_and_live_lines_and_reconnects_by_itself() {
    let redis = TestRedis::start().await;
    let mut first = start_service(&redis, &[("STATUS_HISTORY", "redis")]).await;
    let producer = Producer::connect(&redis).await;
    for number in 0..3 {
        producer.publish("r;;1:a", format!("early <b>{number}</b>")).await;
    }
    let browser = Browser::start().await;
    let url = format!("{}/?run=r;;1&channel=a,b&history=2", first.base_url());
    browser.client.goto(&url).await.unwrap();
    let lines = "a early <b>1</b>\na early <b>2</b>";
    eventually("the last two lines", async || element_text(&browser, "log").await == lines).await;
    assert_eq!(element_text(&browser, "state").await, "watching r;;1:a,b");
    producer.publish("r;;1:b", "live").await;
    eventually("a live line", async || element_text(&browser, "log").await == format!("{lines}\nb live"))
        .await;
    assert_eq!(element_text(&browser, "count").await, "3 lines");

    // A second instance records while the first is down. A third one takes the address of the first, where the page
    // reconnects.
    let port = first.port().to_string();
    let second = start_service(&redis, &[("STATUS_HISTORY", "redis")]).await;
    let keys = redis.client_for_db(2).await;
    let epoch: u64 = keys.get("status-proxy:mark").await.unwrap();
    eventually("every line from before the second instance is recorded", async || {
        keys.hget::<u64, _, _>("status-proxy:recorded", "upto").await.unwrap() > epoch
    })
    .await;
    first.kill().await;
    eventually("the page reports the loss", async || {
        element_text(&browser, "state").await.starts_with("connection lost")
    })
    .await;
    producer.publish("r;;1:a", "meanwhile").await;
    eventually("the second records", async || {
        second.metric("status_proxy_recorded_lines_total").await >= 1.0
    })
    .await;
    let url = redis.url();
    let listen = format!("127.0.0.1:{port}");
    let vars =
        [("STATUS_LISTEN_ADDR", listen.as_str()), ("STATUS_HISTORY", "redis"), ("REDIS_URL", url.as_str())];
    let third = test_support::ServiceProcess::spawn(BINARY, &vars);
    eventually("nothing is missing", async || {
        element_text(&browser, "log").await == format!("{lines}\nb live\na meanwhile")
    })
    .await;
    assert!(browser.client.current_url().await.unwrap().query().unwrap().contains("run=r"));
    drop((second, third));
    browser.close().await;
}
