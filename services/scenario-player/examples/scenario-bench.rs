//! Measures for `scripts/bench.d/scenario-player.sh`: how fast rumqttc alone publishes, and how fast the service does.
//!
//! `scenario-bench limit PORT QOS MESSAGES` publishes with rumqttc alone, and prints messages per second.
//! `scenario-bench overdue URL PORT MESSAGES` waits while the service publishes overdue steps, and prints the same.
//! `scenario-bench post URL CUSTOMERS STEPS START_IN_MS INTERVAL_US` posts steps, and prints the seconds it took.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rumqttc::{AsyncClient, Event, MqttOptions, Outgoing, Packet, QoS};
use serde_json::json;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| -> anyhow::Result<i64> {
        args.get(index).context("an argument is missing")?.parse().context("an argument is not a number")
    };
    match args.first().map(String::as_str) {
        Some("limit") => limit(u16::try_from(number(1)?)?, number(2)?, number(3)?).await,
        Some("overdue") => overdue(&args[1], u16::try_from(number(2)?)?, number(3)?).await,
        Some("post") => post(&args[1], number(2)?, number(3)?, number(4)?, number(5)?).await,
        _ => bail!("the first argument must be limit, overdue or post"),
    }
}

async fn limit(port: u16, qos: i64, messages: i64) -> anyhow::Result<()> {
    let qos = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    let mut options = MqttOptions::new("limit", "127.0.0.1", port);
    options.set_inflight(1000);
    let (client, mut events) = AsyncClient::new(options, 1000);
    let started_at = Instant::now();
    tokio::spawn(async move {
        for n in 0..messages {
            let payload = format!("{{\"id\":\"c{}\",\"ts\":1700000000,\"x\":{n},\"y\":0}}", n % 1000);
            if client.publish("customer/move", qos, false, payload).await.is_err() {
                return;
            }
        }
    });
    let mut acknowledged = 0;
    while acknowledged < messages {
        match (events.poll().await?, qos) {
            (Event::Incoming(Packet::PubAck(_)), _)
            | (Event::Outgoing(Outgoing::Publish(_)), QoS::AtMostOnce) => acknowledged += 1,
            _ => {}
        }
    }
    while bytes_in_transit(port)? > 0 {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    println!("{:.0}", messages as f64 / started_at.elapsed().as_secs_f64());
    Ok(())
}

async fn overdue(url: &str, port: u16, messages: i64) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let published = async || -> anyhow::Result<i64> {
        let text = client.get(format!("{url}/metrics")).send().await?.text().await?;
        let line = text.lines().find_map(|line| line.strip_prefix("scenario_player_events_published_total "));
        Ok(line.context("the metric is missing")?.parse()?)
    };
    while published().await? < messages / 100 {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let (started_at, before) = (Instant::now(), published().await?);
    while published().await? < messages || bytes_in_transit(port)? > 0 {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    println!("{:.0}", (messages - before) as f64 / started_at.elapsed().as_secs_f64());
    Ok(())
}

/// Bytes on TCP connections of this port that were sent and not yet read. At QoS 0 the broker acknowledges nothing, and the
/// buffers hold megabytes.
fn bytes_in_transit(port: u16) -> anyhow::Result<u64> {
    let table = std::fs::read_to_string("/proc/net/tcp").context("read /proc/net/tcp")?;
    let port = format!(":{port:04X}");
    let mut bytes = 0;
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields[1].ends_with(&port) || fields[2].ends_with(&port) {
            let (sent, received) = fields[4].split_once(':').context("no queues in /proc/net/tcp")?;
            bytes += u64::from_str_radix(sent, 16)? + u64::from_str_radix(received, 16)?;
        }
    }
    Ok(bytes)
}

const POLL_INTERVAL: Duration = Duration::from_millis(10);

async fn post(
    url: &str,
    customers: i64,
    steps: i64,
    start_in_ms: i64,
    interval_us: i64,
) -> anyhow::Result<()> {
    let start_us = jiff::Timestamp::now().as_microsecond() + start_in_ms * 1000;
    let client = reqwest::Client::new();
    let mut seconds = 0.0;
    for customer in 0..customers {
        // The customers take turns, so that in the whole shop one step is due every `interval_us`.
        let time_ms = |step: i64| (start_us + (step * customers + customer) * interval_us) as f64 / 1000.0;
        let step = |n| json!({"type": "MOVE", "location": {"x": n, "y": customer}, "timestamp": time_ms(n)});
        let path: Vec<_> = (0..steps).map(step).collect();
        let body =
            serde_json::to_vec(&json!({"customer": {"customer_id": format!("c{customer}")}, "path": path}))?;
        let started_at = Instant::now();
        client.post(format!("{url}/scenario")).body(body).send().await?.error_for_status()?;
        seconds += started_at.elapsed().as_secs_f64();
    }
    println!("{seconds:.3}");
    Ok(())
}
