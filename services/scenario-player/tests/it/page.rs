//! The page at `/`, in a real browser.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fantoccini::{Client, Locator};
use rumqttc::v5::mqttbytes::v5::PubAckReason;
use serde_json::{Value, json};
use test_support::{Browser, FlakyProxy, ServiceProcess, eventually};

use crate::fake_broker::{FakeBroker, Reply, no_properties};
use crate::support::{now_ms, post, start_standalone, walk};

#[tokio::test]
async fn a_posted_customer_moves_on_the_floor_and_stops_while_paused() {
    let (service, browser) = (start_player().await, Browser::start().await);
    let page = Page::open(&browser, service.port()).await;

    page.click("#recalculate").await;
    page.click("#post").await;
    eventually("the first customer is drawn on the floor", async || page.is_drawn("customer-1").await).await;
    let start = page.position("customer-1").await;
    eventually("the first customer moves", async || page.position("customer-1").await != start).await;

    assert_eq!(browser.find_violations().await, Vec::<String>::new());
    page.click("[data-customer='customer-1'] .pause").await;
    eventually("it is paused", async || page.text("[data-customer='customer-1'] .state").await == "paused")
        .await;

    // While the second customer moves, the first one must stay where it is.
    eventually("there is a new example", async || page.value("#body").await.contains("customer-2")).await;
    page.click("#post").await;
    eventually("the second customer is on the floor", async || page.position("customer-2").await.is_some())
        .await;
    let paused_at = page.position("customer-1").await;
    assert!(paused_at.is_some(), "a paused customer is still on the floor");
    for _ in 0..3 {
        let before = page.position("customer-2").await;
        eventually("the second customer moves on", async || page.position("customer-2").await != before)
            .await;
    }
    assert_eq!(page.position("customer-1").await, paused_at);

    page.click("[data-customer='customer-1'] .pause").await;
    eventually("the first customer moves on", async || page.position("customer-1").await != paused_at).await;
    browser.close().await;
}

#[tokio::test]
async fn an_error_in_a_scenario_is_shown_beside_the_form() {
    let (service, browser) = (start_player().await, Browser::start().await);
    let page = Page::open(&browser, service.port()).await;
    for (body, part) in [
        ("{\"customer\":", "line 1 column"),
        (r#"{"customer":{"customer_id":"1"},"path":[]}"#, "path"),
        (
            r#"{"customer":{"customer_id":"1"},"path":[{"type":"RUN","location":{"x":1,"y":2},"timestamp":1}]}"#,
            "type",
        ),
    ] {
        page.fill("#body", body).await;
        page.click("#post").await;
        eventually(&format!("the error of {body} names {part}"), async || {
            page.text("#form-error").await.contains(part)
        })
        .await;
    }
    assert_eq!(page.run("return document.querySelector('#body').ariaInvalid", vec![]).await, "true");
    page.click("#example").await;
    assert_eq!(page.text("#form-error").await, "", "a new example has no error");
    browser.close().await;
}

#[tokio::test]
async fn an_id_is_shown_as_text_and_its_controls_work_whatever_it_contains() {
    let (service, browser) = (start_player().await, Browser::start().await);
    let page = Page::open(&browser, service.port()).await;
    let id = "<img src=x onerror=document.title='owned'>/?#%2e";
    let step = |n: i32| json!({"type": "MOVE", "location": {"x": n, "y": 5}, "timestamp": 60_000 * n});
    let path: Vec<Value> = (1..=3).map(step).collect();
    page.click("#recalculate").await;
    page.fill("#body", &json!({"customer": {"customer_id": id}, "path": path}).to_string()).await;
    page.click("#post").await;

    eventually("it is listed and on the floor", async || {
        page.text(".scenario .name").await == id && page.position(id).await.is_some()
    })
    .await;
    page.fill(".scenario .speed", "20\n").await;
    eventually("it runs twenty times as fast", async || {
        let (_, scenarios) = service.get("/scenarios").await;
        scenarios.contains("\"speed\":20.0")
    })
    .await;
    page.click(".scenario .delete").await;
    assert_eq!(page.text(".scenario .delete").await, "Really?");
    page.click(".scenario .delete").await;
    eventually("it is gone", async || {
        service.get("/scenarios").await.1 == "[]" && page.position(id).await.is_none()
    })
    .await;
    assert_eq!(page.run("return document.title", vec![]).await, "Scenario player");
    browser.close().await;
}

#[tokio::test]
async fn dead_letters_are_shown_with_their_reason_and_can_be_replayed_and_dropped() {
    let refuses = Arc::new(AtomicBool::new(true));
    let refuses_now = Arc::clone(&refuses);
    let broker = FakeBroker::start(no_properties(), move |_| match refuses_now.load(Ordering::Relaxed) {
        true => Reply::Refuse(PubAckReason::NotAuthorized, "not you"),
        false => Reply::Accept,
    })
    .await;
    let port = broker.port().to_string();
    let vars = [("TESTING_MOCK_MQTT", "false"), ("MQTT_HOST", "127.0.0.1"), ("MQTT_PORT", &port)];
    let (service, browser) = (start_standalone(&vars).await, Browser::start().await);
    service.wait_until_ready().await;
    let page = Page::open(&browser, service.port()).await;
    let is_hidden = async || page.text("#dead-section[hidden] h2").await == "Dead letters";
    assert!(is_hidden().await, "there is no section without a dead letter");

    post(&service, &walk("<b>one</b>", now_ms(), 4, 1)).await;
    eventually("all are shown", async || page.text("#dead-count").await.starts_with("4 steps")).await;
    assert_eq!(page.text(".dead bdi").await, "<b>one</b>");
    assert_eq!(page.text(".dead .position").await, "0, 0");
    assert_eq!(page.text(".dead .reason").await, "the broker refuses it: NotAuthorized: not you");
    page.click(".dead .drop").await;
    assert_eq!(page.text(".dead .drop").await, "Really?");
    page.click(".dead .drop").await;
    eventually("the first is gone", async || page.text(".dead .position").await == "1, 0").await;

    refuses.store(false, Ordering::Relaxed);
    page.click(".dead .replay").await;
    eventually("the second is gone", async || page.text(".dead .position").await == "2, 0").await;
    eventually("it was published", async || broker.seen(|seen| seen.accepted.len()) == 1).await;
    page.click("#replay-all").await;
    eventually("the others were published", async || broker.seen(|seen| seen.accepted.len()) == 3).await;
    eventually("the section is hidden again", is_hidden).await;
    browser.close().await;
}

#[tokio::test]
async fn recordings_are_listed_with_controls_and_their_messages_are_among_the_next() {
    let (service, browser) = (start_player().await, Browser::start().await);
    let page = Page::open(&browser, service.port()).await;
    let is_hidden = async || page.text("#recordings-section[hidden] h2").await == "Recordings";
    assert!(is_hidden().await, "there is no section without a recording");
    let line = |n: usize| json!({"time": n * 500, "topic": "shop/1", "payload": n.to_string()}).to_string();
    let lines: Vec<String> = (0..600).map(line).collect();
    let url = format!("{}/recordings?name=walk.1", service.base_url());
    let answer = reqwest::Client::new().post(url).body(lines.join("\n")).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);

    let state = async || page.text("[data-recording='walk.1'] .state").await;
    eventually("it is listed", async || state().await == "running").await;
    assert_eq!(page.text(".recording .count").await, "600 messages");
    eventually("its messages are among the next", async || page.text("#upcoming .type").await == "MESSAGE")
        .await;
    eventually("its messages are published", async || {
        page.text("#last").await.starts_with("Last published: message ")
    })
    .await;
    assert_eq!(browser.find_violations().await, Vec::<String>::new());
    page.click(".recording .pause").await;
    eventually("it is paused", async || state().await == "paused").await;
    page.fill(".recording .speed", "1000\n").await;
    page.click(".recording .pause").await;
    eventually("it has ended", async || state().await == "ended").await;
    page.click(".recording .delete").await;
    assert_eq!(page.text(".recording .delete").await, "Really?");
    page.click(".recording .delete").await;
    eventually("the section is hidden again", is_hidden).await;
    assert_eq!(service.get("/recordings").await.1, "[]");
    browser.close().await;
}

#[tokio::test]
async fn a_page_that_lost_the_service_says_so_and_reconnects_by_itself() {
    let (service, browser) = (start_player().await, Browser::start().await);
    let proxy = FlakyProxy::start(service.port()).await;
    let page = Page::open(&browser, proxy.port()).await;
    proxy.cut();
    eventually("the page says that it reconnects", async || {
        page.text("#connection").await == "reconnecting…"
    })
    .await;
    proxy.restore();
    eventually("the page is live again", async || page.text("#connection").await == "live").await;
    browser.close().await;
}

/// Starts an instance that keeps its timeline in memory and prints its messages.
async fn start_player() -> ServiceProcess {
    ServiceProcess::start(env!("CARGO_BIN_EXE_scenario-player"), &[("TESTING_MOCK_MQTT", "true")]).await
}

/// Keys, by their WebDriver names.
const CONTROL: char = '\u{e009}';
const RELEASE: char = '\u{e000}';

/// The page: what a user sees, and what `window.scenarioPlayer` returns.
struct Page<'a>(&'a Client);

impl<'a> Page<'a> {
    async fn open(browser: &'a Browser, port: u16) -> Self {
        let page = Self(&browser.client);
        page.0.goto(&format!("http://127.0.0.1:{port}/")).await.expect("open the page");
        eventually("the page is live", async || page.text("#connection").await == "live").await;
        page
    }

    async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.0.execute(script, arguments).await.expect("run a script in the page")
    }

    async fn click(&self, css: &str) {
        let element = self.0.wait().for_element(Locator::Css(css)).await.expect("find the element to click");
        element.click().await.expect("click it");
    }

    async fn fill(&self, css: &str, text: &str) {
        let element = self.0.find(Locator::Css(css)).await.expect("find the element to fill");
        element.send_keys(&format!("{CONTROL}a{RELEASE}{text}")).await.expect("type into it");
    }

    /// The visible text of an element. Empty if there is no such element.
    async fn text(&self, css: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        self.run(script, vec![css.into()]).await.as_str().unwrap_or_default().to_owned()
    }

    async fn value(&self, css: &str) -> String {
        let script = "return document.querySelector(arguments[0]).value";
        self.run(script, vec![css.into()]).await.as_str().unwrap_or_default().to_owned()
    }

    /// Where the floor shows a customer, in coordinates of the shop.
    async fn position(&self, id: &str) -> Option<(i64, i64)> {
        let script =
            "return scenarioPlayer.positions().find((one) => one.customer_id === arguments[0]) ?? null";
        let customer = self.run(script, vec![id.into()]).await;
        Some((customer["x"].as_i64()?, customer["y"].as_i64()?))
    }

    /// Whether the canvas has another colour at the customer's position than in its empty corner.
    async fn is_drawn(&self, id: &str) -> bool {
        let script = "
            const screen = scenarioPlayer.positions().find((one) => one.customer_id === arguments[0])?.screen;
            if (!screen) return false;
            const canvas = document.querySelector('#floor'), scale = canvas.width / canvas.clientWidth;
            const colour = (x, y) => String(canvas.getContext('2d').getImageData(x, y, 1, 1).data);
            return colour(screen.x * scale, screen.y * scale) !== colour(canvas.width - 1, canvas.height - 1);";
        self.run(script, vec![id.into()]).await == true
    }
}
