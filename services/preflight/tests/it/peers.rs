//! Clients that others wrote or run: a Python client and a real browser.

use std::path::Path;
use std::process::Stdio;

use fantoccini::Locator;
use fred::interfaces::HashesInterface;
use serde_json::json;
use test_support::{Browser, eventually, within_patience};
use tokio::process::Command;

use crate::contract::FIELDS;
use crate::support::TestEnv;

#[tokio::test]
async fn a_python_client_written_from_the_contract_alone_works() {
    let Some(python) = test_support::find_python("a Python client") else { return };
    let env = TestEnv::start(&[("PREFLIGHT_PING_INTERVAL", "300ms")]).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/client.py");
    let url = format!("ws://127.0.0.1:{}/weppcloud/batch%3B%3Brun-1", env.service.port());
    let mut client = Command::new(python);
    let client = client.arg(script).arg(url).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    eventually("the client is sent a checklist", async || {
        env.service.metric("preflight_answers_total").await == 1.0
    })
    .await;
    env.producer("batch;;run-1").hset::<(), _, _>("batch;;run-1", FIELDS.to_vec()).await.unwrap();
    let output = within_patience("the client's end", client.wait_with_output()).await.unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "as the contract says\n");
}

/// Behaves as the originals' own page does: its URL, its messages, and when it connects again.
const ORIGINAL: &str = "
    const [run] = arguments;
    const seen = window.seen = { connects: 0, checklist: null };
    const connect = () => {
        const socket = new WebSocket(`ws://${location.host}/weppcloud-microservices/preflight/${run}`);
        socket.onopen = () => {
            seen.connects += 1;
            socket.send(JSON.stringify({ type: 'init' }));
        };
        socket.onmessage = ({ data }) => {
            const frame = JSON.parse(data);
            if (frame.type === 'ping') socket.send(JSON.stringify({ type: 'pong' }));
            if (frame.type === 'preflight') seen.checklist = frame.checklist;
        };
        socket.onclose = () => setTimeout(connect, 200);
    };
    connect();
";

#[tokio::test]
async fn the_originals_page_gets_its_checklists_and_connects_again() {
    let mut env =
        TestEnv::start(&[("PREFLIGHT_PING_INTERVAL", "300ms"), ("PREFLIGHT_PONG_TIMEOUT", "5s")]).await;
    let browser = Browser::start().await;
    let page = &browser.client;
    page.goto(&format!("{}/health", env.service.base_url())).await.unwrap();
    page.execute(ORIGINAL, vec![json!("batch;;run-1")]).await.unwrap();
    let sees = async |connects: u64, is_done: bool| {
        eventually(&format!("checklist {is_done} at connection {connects}"), async || {
            let seen = page.execute("return window.seen", vec![]).await.unwrap();
            seen["connects"] == connects && seen["checklist"]["channels"] == is_done
        })
        .await;
    };
    sees(1, false).await;
    env.set("batch;;run-1", "timestamps:build_channels", 1).await;
    sees(1, true).await;
    let address = format!("127.0.0.1:{}", env.service.port());
    assert_eq!(env.service.terminate().await, 0);
    let vars = [("REDIS_URL", env.redis.url()), ("LISTEN_ADDR", address)];
    let vars: Vec<(&str, &str)> = vars.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let _second = test_support::ServiceProcess::spawn(crate::support::BINARY, &vars);
    sees(2, true).await;
    browser.close().await;
}

#[tokio::test]
async fn the_page_shows_a_checklist_live_and_reconnects_after_a_restart() {
    let mut env = TestEnv::start(&[("DRAIN_DELAY", "0s")]).await;
    let browser = Browser::start().await;
    let page = &browser.client;
    let text = async |css: &str| page.find(Locator::Css(css)).await.ok()?.text().await.ok();
    let shows = async |css: &str, expected: &str| {
        eventually(&format!("{css} is {expected}"), async || {
            text(css).await.is_some_and(|text| text.contains(expected))
        })
        .await;
    };

    page.goto(&format!("{}/", env.service.base_url())).await.unwrap();
    shows("#state", "no run chosen").await;
    let input = page.find(Locator::Css("input[name=run]")).await.unwrap();
    input.send_keys("decimal-pleasing").await.unwrap();
    page.find(Locator::Css("form button")).await.unwrap().click().await.unwrap();
    shows("#state", "watching decimal-pleasing").await;
    shows("tr[data-entry=channels] td", "to do").await;
    assert!(page.current_url().await.unwrap().as_str().ends_with("/?run=decimal-pleasing"));

    env.producer("decimal-pleasing").hset::<(), _, _>("decimal-pleasing", FIELDS.to_vec()).await.unwrap();
    env.set("decimal-pleasing", "locked:wepp", true).await;
    shows("tr[data-entry=channels] td", "done").await;
    shows("tr[data-entry=wepp] td", "done").await;
    shows("tr[data-lock=wepp] td", "locked").await;
    shows("#done", "7 of 13 done").await;
    shows("#changed", "last changed").await;
    assert_eq!(browser.find_violations().await, Vec::<String>::new());

    // The page reconnects by itself, and says so while it has no connection.
    let port = env.service.port().to_string();
    env.service.terminate().await;
    shows("#state", "connection lost, trying again").await;
    let address = format!("127.0.0.1:{port}");
    let vars = [("REDIS_URL", env.redis.url()), ("LISTEN_ADDR", address)];
    let vars: Vec<(&str, &str)> = vars.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let _second = test_support::ServiceProcess::spawn(crate::support::BINARY, &vars);
    shows("#state", "watching decimal-pleasing").await;

    // The page's address contains the run, so a reload shows the same checklist.
    page.refresh().await.unwrap();
    shows("#done", "7 of 13 done").await;
    let rows = "return document.querySelectorAll('#checklist tr, #locks tr').length";
    assert_eq!(page.execute(rows, vec![]).await.unwrap(), 13 + 6);
    browser.close().await;
}

#[tokio::test]
async fn the_page_offers_runs_to_choose_from_and_says_why_a_step_is_not_up_to_date() {
    let env = TestEnv::start(&[]).await;
    env.producer("decimal-pleasing").hset::<(), _, _>("decimal-pleasing", FIELDS.to_vec()).await.unwrap();
    env.set("other-run", "timestamps:build_channels", 5).await;
    let browser = Browser::start().await;
    let page = &browser.client;
    let text = async |css: &str| page.find(Locator::Css(css)).await.ok()?.text().await.ok();
    let shows = async |css: &str, expected: &str| {
        eventually(&format!("{css} shows {expected}"), async || {
            text(css).await.is_some_and(|text| text.contains(expected))
        })
        .await;
    };
    let press = async |css: &str| page.find(Locator::Css(css)).await.unwrap().click().await.unwrap();

    page.goto(&format!("{}/", env.service.base_url())).await.unwrap();
    shows("#found", "2").await;
    shows("#runs tr:first-child", "7 of 13").await;
    page.find(Locator::Css("input[name=run]")).await.unwrap().send_keys("her").await.unwrap();
    shows("#found", "1 with “her”").await;
    shows("#runs tr:first-child", "1 of 13").await;
    assert_eq!(browser.find_violations().await, Vec::<String>::new());
    press("#runs button").await;
    shows("#state", "watching other-run").await;

    press("summary").await;
    shows("#found", "2").await;
    press("#runs button").await;
    shows("#state", "watching decimal-pleasing").await;
    env.set("decimal-pleasing", "timestamps:build_landuse", 1_800_000_000).await;
    shows("tr[data-entry=soils]", "out of date").await;
    shows("tr[data-entry=soils]", "build_landuse was done later").await;
    shows("tr[data-entry=rap_ts]", "build_rap_ts is not done").await;
    shows("tr[data-entry=sbs_map]", "attrs:has_sbs is not true").await;
    assert_eq!(browser.find_violations().await, Vec::<String>::new());

    page.goto(&format!("{}/?run=nobody", env.service.base_url())).await.unwrap();
    shows("#done", "there is no data of this run yet").await;
    browser.close().await;
}
