use test_support::{Collector, TestRedis};

use crate::support::{Producer, Viewer, start_service};

#[tokio::test]
async fn a_line_that_names_a_trace_is_a_span_of_it_for_its_viewers_alone() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";
    let (redis, collector) = (TestRedis::start().await, Collector::start().await);
    let mut service = start_service(&redis, &[("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())]).await;
    let mut viewer = Viewer::connect(&service, "run:log").await;
    let producer = Producer::connect(&redis).await;
    producer.publish("run:log", "without one").await;
    producer.publish("run:unwatched", format!("traceparent=00-{TRACE}-{SPAN}-01")).await;
    let line = format!(r#"{{"step":7,"traceparent":"00-{TRACE}-{SPAN}-01"}}"#);
    producer.publish("run:log", line.clone()).await;
    assert_eq!(viewer.next_line().await, "without one");
    assert_eq!(viewer.next_line().await, line, "the text is as it was published");
    assert_eq!(service.terminate().await, 0);
    let span = collector.span("status-proxy", "send a line").await;
    assert_eq!((&*span.trace_id, &*span.parent_id), (TRACE, SPAN));
    assert_eq!(collector.spans().len(), 1);
}
