//! Sends each line of standard input as a message: `kafka_demo TOPIC PARTITIONS [TRACEPARENT]`. A line is `PARTITION
//! MESSAGE`. Each message has the third argument in its header `traceparent`.
//!
//! It sends to the broker of `KAFKA_BROKER`, or to librdkafka's mock cluster in this process. First it prints
//! `KAFKA_BROKER=HOST:PORT` on standard output. At the end of the input it exits, and the mock cluster with
//! it.
#![expect(clippy::disallowed_methods, reason = "an example has no settings of a service")]

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::Context;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (topic, partitions) =
        args.next().zip(args.next()).context("usage: kafka_demo TOPIC PARTITIONS [TRACEPARENT]")?;
    let traceparent = args.next();
    let mock = match std::env::var("KAFKA_BROKER") {
        Ok(_) => None,
        Err(_) => Some(MockCluster::new(1)?),
    };
    if let Some(mock) = &mock {
        mock.create_topic(&topic, partitions.parse()?, 1)?;
    }
    let broker =
        mock.as_ref().map_or_else(|| std::env::var("KAFKA_BROKER"), |mock| Ok(mock.bootstrap_servers()))?;
    println!("KAFKA_BROKER={broker}");
    std::io::stdout().flush()?;

    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &broker).set("linger.ms", "0").create()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (partition, message) = line.split_once(' ').context("a line must be PARTITION MESSAGE")?;
        let headers = traceparent.iter().fold(OwnedHeaders::new(), |headers, text| {
            headers.insert(Header { key: "traceparent", value: Some(text) })
        });
        let record =
            BaseRecord::<(), _>::to(&topic).partition(partition.parse()?).payload(message).headers(headers);
        producer.send(record).map_err(|(error, _)| error)?;
        producer.flush(Duration::from_secs(10))?;
    }
    Ok(())
}
