//! The console, which haproxy serves at `/`, with instances of this service behind it.

use fantoccini::Locator;
use test_support::{Browser, Haproxy, eventually, eventually_ok};

use crate::support::{TestEnv, start};

/// The text of the first element that matches.
async fn text(browser: &Browser, selector: &str) -> String {
    let Ok(element) = browser.client.find(Locator::Css(selector)).await else { return String::new() };
    element.text().await.unwrap_or_default()
}

#[tokio::test]
async fn the_console_shows_every_instance_its_figures_and_why_one_takes_no_clients() {
    let mut env = TestEnv::start(&[]).await;
    let mut second = start(&env.redis.url(), &[]).await;
    second.wait_until_ready().await;
    let ports = [env.service.port(), second.port()];
    let (haproxy, browser) = (Haproxy::start_entry(&[("preflight", &ports)]).await, Browser::start().await);
    let _viewer = env.watch("some-run").await;
    let earlier_viewer = env.watch("an-earlier-run").await;
    eventually("an instance remembers two runs", async || {
        env.service.get("/metrics/history?names=preflight_runs").await.1.contains("2.0]")
    })
    .await;
    drop(earlier_viewer);
    eventually("one is forgotten", async || env.service.metric("preflight_runs").await == 1.0).await;
    browser.client.goto(&format!("http://127.0.0.1:{}/", haproxy.port())).await.unwrap();

    let says = async |selector: &str, part: &str| {
        eventually(&format!("{selector} says {part}"), async || {
            text(&browser, selector).await.contains(part)
        })
        .await;
    };
    let row = |port: u16| format!("#preflight tbody tr:nth-child({})", if port == ports[0] { 1 } else { 2 });
    says("#state", "2 of 2 instances take clients").await;
    says(&row(ports[0]), &format!("preflight-{} ready", ports[0])).await;
    says("#preflight .figures", "runs that are watched\n1").await;
    // That was before the page was opened.
    let title = "return document.querySelector('#preflight .figures title').textContent";
    eventually_ok("the plot has it", async || {
        let title = browser.client.execute(title, vec![]).await.unwrap();
        title
            .as_str()
            .filter(|title| title.starts_with("the last 5 min: 0 to 2"))
            .map(drop)
            .ok_or(title.clone())
    })
    .await;
    says("#preflight p", &format!("version {}", env!("CARGO_PKG_VERSION"))).await;
    says("#problems", "etl-worker: no instance").await;
    assert_eq!(browser.find_violations().await, Vec::<String>::new());

    second.kill().await;
    says("#state", "1 of 2 instances take clients").await;
    says(&row(ports[1]), "gone").await;
    says("#problems", &format!("preflight-{}: it does not answer", ports[1])).await;
    env.redis.kill().await;
    says(&row(ports[0]), "not ready").await;
    says("#problems", &format!("preflight-{}: redis", ports[0])).await;
    browser.close().await;
}

#[tokio::test]
async fn the_entry_leads_to_the_pages_to_one_instance_and_to_nothing_else() {
    let env = TestEnv::start(&[]).await;
    let haproxy = Haproxy::start_entry(&[("preflight", &[env.service.port()])]).await;
    let get = async |path: &str| {
        let response = reqwest::get(format!("http://127.0.0.1:{}{path}", haproxy.port())).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    eventually("haproxy has seen the instance", async || get("/preflight/ready").await.0 == 200).await;
    let instance = format!("/instances/preflight/preflight-{}", env.service.port());
    for (path, status, part) in [
        ("/preflight", 200, "<h1>"),
        ("/preflight/metrics", 200, "preflight_runs"),
        (&format!("{instance}/metrics"), 200, "preflight_runs"),
        (&format!("{instance}/metrics/history?names=preflight_runs"), 200, "{\"preflight_runs\":["),
        ("/haproxy;csv", 200, "preflight,BACKEND"),
        ("/console/watch.js", 200, "readInstances"),
        ("/console/nothing.js", 404, "no such file"),
        ("/etl-worker/", 503, "no instance"),
        ("/redis/", 404, "/ lists what is"),
        ("/instances/redis/1/metrics", 404, "/ lists what is"),
    ] {
        let (seen, body) = get(path).await;
        assert!(seen == status && body.contains(part), "{path}: {seen} {body}");
    }
}
