//! The page at `/`, in a real browser.

use fantoccini::Locator;
use test_support::{Browser, eventually};

use crate::client::{Client, Node, id};

#[tokio::test]
async fn the_page_shows_what_is_stored_and_who_waits() {
    let node = Node::memory(&[("OBJECT_STORE_HTTP_WRITES", "true")]).await;
    let http = reqwest::Client::new();
    for number in 1..=150 {
        let url = format!("{}/objects/{}", node.process.base_url(), id(number));
        assert_eq!(http.put(&url).body(vec![7; 2048]).send().await.unwrap().status(), 201);
    }
    let mut client = Client::connect(node.port, "one").await;
    client.send_get(&id(200)).await;
    client.send_get(&id(200)).await;

    let browser = Browser::start().await;
    let page = &browser.client;
    page.goto(&node.process.base_url()).await.unwrap();
    let text = async |id: &str| {
        let script = format!("return document.getElementById('{id}').innerText");
        page.execute(&script, vec![]).await.unwrap().as_str().unwrap_or_default().to_owned()
    };
    let shows = async |id: &str, part: &str| {
        eventually(&format!("{id} shows {part}"), async || text(id).await.contains(part)).await;
    };
    let press = async |id: &str| page.find(Locator::Id(id)).await.unwrap().click().await.unwrap();

    shows("stored-count", "150 in all, with 2 KiB of contents; 100 are listed").await;
    shows("waiting", &format!("{}\t2", id(200))).await;
    shows("service", "object-store\tready").await;
    assert_eq!(browser.find_violations().await, Vec::<String>::new());
    press("next").await;
    shows("stored-count", "50 are listed").await;
    press("first").await;
    shows("stored-count", "100 are listed").await;
    page.find(Locator::Id("prefix")).await.unwrap().send_keys(&id(42).to_string()).await.unwrap();
    shows("stored-count", "1 are listed").await;
    shows("stored", &format!("{}\t2 KiB", id(42))).await;
    browser.close().await;
}
