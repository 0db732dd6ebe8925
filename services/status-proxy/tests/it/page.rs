//! The page in a real browser.

use fred::interfaces::{HashesInterface, KeysInterface};
use serde_json::{Value, json};
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
    assert_eq!(browser.find_violations().await, Vec::<String>::new());

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
    assert!(element_text(&browser, "state").await.starts_with("watching r;;1:a,b, connected again at "));
    assert!(browser.client.current_url().await.unwrap().query().unwrap().contains("run=r"));
    drop((second, third));
    browser.close().await;
}

#[tokio::test]
async fn the_page_colours_lines_finds_in_them_waits_while_paused_and_keeps_a_hundred_thousand() {
    let redis = TestRedis::start().await;
    let service = start_service(&redis, &[("STATUS_OUTBOX_SIZE", "64MB")]).await;
    let (producer, browser) = (Producer::connect(&redis).await, Browser::start().await);
    browser.client.goto(&format!("{}/?run=r&channel=a", service.base_url())).await.unwrap();
    eventually("it watches", async || element_text(&browser, "state").await == "watching r:a").await;
    let run = async |script: &str| browser.client.execute(script, Vec::new()).await.unwrap();

    producer
        .publish(
            "r:a",
            "\u{1b}[1;31mred\u{1b}[0m \u{1b}[38;5;21mblue\u{1b}[39m \u{1b}]0;title\u{7}<b>plain\u{1b}[K",
        )
        .await;
    eventually("no escape sequence is shown", async || {
        element_text(&browser, "log").await == "red blue <b>plain"
    })
    .await;
    let styles =
        run("return [...document.querySelectorAll('#log span')].map((span) => span.style.cssText)").await;
    assert_eq!(
        styles,
        json!(["color: var(--ansi-1); font-weight: bold;", "", "color: rgb(0, 0, 255);", "", ""])
    );

    run("document.getElementById('pause').click()").await;
    for burst in 1..=20 {
        producer.publish_all("r:a", 5000).await;
        let wait = format!("{},000 wait", 5 * burst);
        eventually(&wait, async || element_text(&browser, "count").await.ends_with(&wait)).await;
    }
    assert_eq!(element_text(&browser, "log").await, "red blue <b>plain");
    run("document.getElementById('pause').click()").await;
    eventually("the last line is at the end", async || {
        run("return document.querySelector('#log').lastChild.lastChild.textContent").await == "4999"
    })
    .await;

    let find = "const find = document.getElementById('find'); find.value = '/^9+$/'; \
                document.getElementById('only').checked = true; find.oninput()";
    run(find).await;
    eventually("it finds", async || element_text(&browser, "count").await == "100,001 lines, 60 match").await;
    assert_eq!(
        element_text(&browser, "log").await.lines().take(4).collect::<Vec<_>>(),
        ["9", "99", "999", "9"]
    );
    assert_eq!(run("return document.querySelectorAll('mark').length").await, 60);
    assert_eq!(browser.find_violations().await, Vec::<String>::new());
    browser.close().await;
}

#[tokio::test]
async fn the_page_offers_runs_and_channels_to_choose_from() {
    let redis = TestRedis::start().await;
    let service = start_service(&redis, &[("STATUS_HISTORY", "redis")]).await;
    let (producer, browser) = (Producer::connect(&redis).await, Browser::start().await);
    for channel in ["other:log", "decimal-pleasing:wepp", "decimal-pleasing:climate"] {
        producer.publish(channel, format!("of {channel}")).await;
    }
    browser.client.goto(&service.base_url()).await.unwrap();
    let press = async |script: &str| browser.client.execute(script, Vec::new()).await.unwrap();
    eventually("both runs are offered", async || element_text(&browser, "found").await == "2").await;
    press("const run = document.forms[0].run; run.value = 'dec'; run.dispatchEvent(new Event('input', { bubbles: true }))").await;
    eventually("one is found", async || element_text(&browser, "found").await == "1 with “dec”").await;
    assert!(element_text(&browser, "runs").await.contains("climate"));
    assert_eq!(browser.find_violations().await, Vec::<String>::new());
    press("[...document.querySelectorAll('#runs button')].find((button) => button.textContent === 'wepp').click()").await;
    eventually("its lines", async || element_text(&browser, "log").await == "of decimal-pleasing:wepp").await;
    press("document.querySelector('summary').click()").await;
    eventually("both are offered again", async || element_text(&browser, "found").await == "2").await;
    press("[...document.querySelectorAll('#runs th button')].find((button) => button.textContent === 'other').click()").await;
    eventually("all of the run", async || element_text(&browser, "log").await == "log of other:log").await;
    browser.close().await;
}
