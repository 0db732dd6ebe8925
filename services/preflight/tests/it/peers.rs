//! Clients that others wrote or run: a Python client and a real browser.

use std::path::Path;
use std::process::Stdio;

use fantoccini::Locator;
use fred::interfaces::HashesInterface;
use test_support::{Browser, eventually};
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
    env.producer.hset::<(), _, _>("batch;;run-1", FIELDS.to_vec()).await.unwrap();
    let output = client.wait_with_output().await.unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "as the contract says\n");
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

    env.producer.hset::<(), _, _>("decimal-pleasing", FIELDS.to_vec()).await.unwrap();
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
    let row_count = page.execute("return document.querySelectorAll('tr').length", vec![]).await.unwrap();
    assert_eq!(row_count, 13 + 6);
    browser.close().await;
}
