use test_support::{Collector, ServiceProcess, eventually, free_port};

use crate::{binary, start};

const CLIENTS_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENTS_SPAN: &str = "00f067aa0ba902b7";

async fn greet(service: &ServiceProcess) {
    let request = reqwest::Client::new().get(format!("{}/greetings/7", service.base_url()));
    let response = request.header("traceparent", format!("00-{CLIENTS_TRACE}-{CLIENTS_SPAN}-01")).send();
    assert_eq!(response.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_request_is_a_span_of_its_clients_trace_and_what_it_logs_has_the_traces_id() {
    let collector = Collector::start().await;
    for format in ["text", "json"] {
        let vars = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), ("LOG_FORMAT", format)];
        let mut service = start(&vars).await;
        greet(&service).await;
        let log = service.log();
        let line = log.lines().find(|line| line.contains("greeted 7")).unwrap();
        assert!(line.contains(CLIENTS_TRACE), "{line}");
        // What was not sent yet is sent before the end.
        assert_eq!(service.terminate().await, 0);
        let span = collector.span("demo", "GET /greetings/{number}").await;
        assert_eq!((&*span.trace_id, &*span.parent_id), (CLIENTS_TRACE, CLIENTS_SPAN));
    }
    assert_eq!(collector.spans().len(), 2, "the probes have no spans: {:?}", collector.spans());
}

#[tokio::test]
async fn a_collector_that_is_away_is_logged_once_and_holds_nothing_up() {
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let vars = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    let mut service = start(&vars).await;
    let failures = || service.log().matches("cannot send traces, and drops them: ").count();
    greet(&service).await;
    eventually("the failure is logged", async || failures() == 1).await;
    greet(&service).await;
    assert_eq!(service.terminate().await, 0);
    assert_eq!(service.log().matches("cannot send traces, and drops them: ").count(), 1, "{}", service.log());
}

#[tokio::test]
async fn without_a_collector_no_trace_is_made() {
    let service = start(&[]).await;
    greet(&service).await;
    let log = service.log();
    assert!(log.contains("greeted 7") && !log.contains("trace"), "{log}");
}

#[tokio::test]
async fn errors_are_logged_at_every_level_with_and_without_traces() {
    let collector = Collector::start().await;
    for level in ["ERROR", "WARN", "INFO", "DEBUG"] {
        for traces in [&[][..], &[("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())]] {
            let vars =
                [&[("LOG_LEVEL", level), ("DEMO_WORK", "fail"), ("REDIS_PASSWORD", "hush")], traces].concat();
            let mut service = ServiceProcess::spawn(binary().to_str().unwrap(), &vars);
            assert_eq!(service.wait_for_exit().await, 1);
            let log = service.log();
            assert!(log.contains("ERROR") && log.contains("out of luck"), "{level}: {log}");
            assert_eq!(log.contains("listening on"), ["INFO", "DEBUG"].contains(&level), "{level}: {log}");
        }
    }
}
