use test_support::Browser;

use crate::start;

#[tokio::test]
async fn the_front_page_links_to_the_probes_and_any_other_path_is_a_404_with_a_line() {
    let service = start(&[]).await;
    let (status, page) = service.get("/").await;
    assert_eq!(status, 200);
    for part in ["demo 1.2.3", "\"health\"", "\"ready\"", "\"metrics\"", "services/demo/README.md"] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let browser = Browser::start().await;
    browser.client.goto(&service.base_url()).await.unwrap();
    assert_eq!(browser.find_violations().await, Vec::<String>::new());
    browser.close().await;
    for path in ["/nothing", "/health/", "/favicon.ico"] {
        assert_eq!(
            service.get(path).await,
            (404, "nothing is at this path; / says what is where\n".to_owned())
        );
    }
    assert_eq!(service.get("/health").await, (200, "OK".to_owned()));
}

#[tokio::test]
async fn more_connections_than_open_files_are_warned_of_with_both_numbers() {
    let service = start(&[("DEMO_MAX_CONNECTIONS", "4000000000")]).await;
    let log = service.log();
    assert!(log.contains("DEMO_MAX_CONNECTIONS is 4000000000, but this process may open "), "{log}");
    assert!(log.contains("LimitNOFILE="), "{log}");
    let files = std::fs::read_to_string(format!("/proc/{}/limits", service.pid())).unwrap();
    let line = files.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let limits: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(limits[0], limits[1], "the soft limit is the hard one: {line}");
    assert!(!start(&[]).await.log().contains("MAX_CONNECTIONS"));
}
