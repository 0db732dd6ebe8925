use test_support::{Collector, TestRedis};

use crate::support::{Kafka, World};

#[tokio::test]
async fn a_message_whose_header_names_a_trace_is_a_span_of_it_that_its_notification_names() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";
    let collector = Collector::start().await;
    let world = World::with(Kafka::start_mock(), TestRedis::start().await, 1).await;
    let mut notifications = world.subscribe("battery:*").await;
    let vars = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()), ("NOTIFY", "fields")];
    let mut service = world.start_ingester(&vars).await;
    let value = br#"{"battery_id":1,"soc":81}"#;
    let send = |name: &str, text: &str| {
        world.kafka.enqueue_with_header(&world.topic, 0, b"", value, (name, text.as_bytes()));
    };
    send("traceparent", "no trace");
    send("other", &format!("00-{TRACE}-{SPAN}-01"));
    send("traceparent", &format!("00-{TRACE}-{SPAN}-01"));
    world.wait_for_offset(0, 3).await;
    let mut texts = Vec::new();
    for _ in 0..3 {
        texts.push(notifications.next().await.1);
    }
    assert_eq!(service.terminate().await, 0);
    let span = collector.span("kafka-ingester", "apply a message").await;
    assert_eq!((&*span.trace_id, &*span.parent_id), (TRACE, SPAN));
    assert_eq!(collector.spans().len(), 1);
    let traced = format!(r#"{{"soc":81,"traceparent":"00-{TRACE}-{}-01"}}"#, span.span_id);
    assert_eq!(texts, [r#"{"soc":81}"#, r#"{"soc":81}"#, &*traced]);
    assert_eq!(world.read_field("battery:1:data", "traceparent").await, None);
}
