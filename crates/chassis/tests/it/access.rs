//! Who may use HTTP.

use test_support::{ServiceProcess, check_other_sites, check_token, eventually};

use crate::{binary, start};

#[tokio::test]
async fn pages_of_other_sites_change_nothing_and_programs_are_served() {
    let service = start(&[]).await;
    check_other_sites(&service, &["POST /anything", "DELETE /", "PUT /x"]).await;
}

#[tokio::test]
async fn with_an_operator_token_every_request_needs_it_but_the_probes() {
    let service = start(&[("OPERATOR_TOKEN", "secret")]).await;
    check_token(&service, &["GET /", "GET /anything", "POST /anything"]).await;
}

#[tokio::test]
async fn a_name_of_the_service_is_served_to_browsers() {
    let service = start(&[("ALLOWED_HOSTS", "*.example.org")]).await;
    for (name, expected) in [("shop.example.org", 200), ("shop.example.org:8000", 200), ("example.com", 421)]
    {
        let request = reqwest::Client::new().get(service.base_url());
        let answer = request.header("host", name).header("accept-language", "en").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{name}");
    }
}

#[tokio::test]
async fn a_service_that_other_machines_reach_and_that_needs_no_token_says_so() {
    let warning = "which asks nobody who they are: OPERATOR_TOKEN is not set";
    let everywhere = ("LISTEN_ADDR", "0.0.0.0:0");
    for (vars, expected) in [
        (&[everywhere][..], true),
        (&[everywhere, ("PUBLISH_ADDRESS", "0.0.0.0")], true),
        (&[everywhere, ("PUBLISH_ADDRESS", "127.0.0.1")], false),
        (&[everywhere, ("OPERATOR_TOKEN", "secret")], false),
        (&[("LISTEN_ADDR", "127.0.0.1:0")], false),
    ] {
        let vars = [&[("REDIS_PASSWORD", "hush")], vars].concat();
        let service = ServiceProcess::spawn(binary().to_str().unwrap(), &vars);
        eventually("it has started", async || service.log().contains("the password has")).await;
        assert_eq!(service.log().contains(warning), expected, "{vars:?}");
    }
}
