//! Measures a running world for `scripts/bench.d/scenario-player.sh`: what rumqttc alone publishes, and what the service does.
//!
//! `scenario-bench limit PORT QOS MESSAGES` prints the messages a second that rumqttc alone gets acknowledged.
//! `scenario-bench post URL CUSTOMERS STEPS START_IN_MS APART_US` posts steps and prints the seconds it took.

use std::time::Instant;

use anyhow::{Context, bail};
use rumqttc::{AsyncClient, Event, MqttOptions, Outgoing, Packet, QoS};
use serde_json::json;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| -> anyhow::Result<i64> {
        args.get(place).context("an argument is missing")?.parse().context("an argument is no number")
    };
    match args.first().map(String::as_str) {
        Some("limit") => limit(u16::try_from(number(1)?)?, number(2)?, number(3)?).await,
        Some("post") => post(&args[1], number(2)?, number(3)?, number(4)?, number(5)?).await,
        _ => bail!("say limit or post"),
    }
}

async fn limit(port: u16, qos: i64, messages: i64) -> anyhow::Result<()> {
    let qos = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    let mut options = MqttOptions::new("limit", "127.0.0.1", port);
    options.set_inflight(1000);
    let (client, mut events) = AsyncClient::new(options, 1000);
    let begin = Instant::now();
    tokio::spawn(async move {
        for n in 0..messages {
            let payload = format!("{{\"id\":\"c{}\",\"ts\":1700000000,\"x\":{n},\"y\":0}}", n % 1000);
            if client.publish("customer/move", qos, false, payload).await.is_err() {
                return;
            }
        }
    });
    let mut done = 0;
    while done < messages {
        match (events.poll().await?, qos) {
            (Event::Incoming(Packet::PubAck(_)), _)
            | (Event::Outgoing(Outgoing::Publish(_)), QoS::AtMostOnce) => done += 1,
            _ => {}
        }
    }
    println!("{:.0}", messages as f64 / begin.elapsed().as_secs_f64());
    Ok(())
}

async fn post(url: &str, customers: i64, steps: i64, start_in_ms: i64, apart_us: i64) -> anyhow::Result<()> {
    let start_us = jiff::Timestamp::now().as_microsecond() + start_in_ms * 1000;
    let client = reqwest::Client::new();
    let mut seconds = 0.0;
    for customer in 0..customers {
        // The customers take turns, so that the whole shop has one step each `apart_us`.
        let at_ms = |step: i64| (start_us + (step * customers + customer) * apart_us) as f64 / 1000.0;
        let step = |n| json!({"type": "MOVE", "location": {"x": n, "y": customer}, "timestamp": at_ms(n)});
        let path: Vec<_> = (0..steps).map(step).collect();
        let body =
            serde_json::to_vec(&json!({"customer": {"customer_id": format!("c{customer}")}, "path": path}))?;
        let begin = Instant::now();
        client.post(format!("{url}/scenario")).body(body).send().await?.error_for_status()?;
        seconds += begin.elapsed().as_secs_f64();
    }
    println!("{seconds:.3}");
    Ok(())
}
