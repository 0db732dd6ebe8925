//! A broker that is not Mosquitto, by every way to a broker.

use std::process::Stdio;

use futures_util::future::join_all;
use serde_json::Value;
use test_support::{ServiceProcess, eventually, eventually_ok, find_node_modules, free_port};
use tokio::process::{Child, Command};

use crate::certificates::Certificates;
use crate::support::{BINARY, get_json, now_ms, post, wait_for_empty_timeline, walk};

/// Ends the connection of a client that publishes to `customer/enter`.
struct Aedes {
    tcp: u16,
    tls: u16,
    ws: u16,
    wss: u16,
    certificates: Certificates,
    _child: Child,
}

impl Aedes {
    /// `None` if it is not installed.
    async fn start() -> Option<Self> {
        let modules = find_node_modules("aedes", "a second broker")?;
        let certificates = Certificates::new();
        certificates.sign("server", "localhost");
        let [tcp, tls, ws, wss] = std::array::from_fn(|_| free_port());
        let mut command = Command::new("node");
        let output = std::fs::File::create(certificates.path("messages")).unwrap();
        let child = command
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/aedes.js"))
            .args([tcp, tls, ws, wss].map(|port| port.to_string()))
            .args([certificates.path("server.pem"), certificates.path("server.key")])
            .arg("customer/enter")
            .env("NODE_PATH", modules)
            .stdout(Stdio::from(output))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // The last port that it serves.
        eventually("aedes serves", async || tokio::net::TcpStream::connect(("127.0.0.1", tcp)).await.is_ok())
            .await;
        Some(Self { tcp, tls, ws, wss, certificates, _child: child })
    }

    /// The QoS and the payload of each message from `customer`.
    fn messages_of(&self, customer: &str) -> Vec<(String, Value)> {
        let messages = std::fs::read_to_string(self.certificates.path("messages")).unwrap();
        let of_line = |line: &str| {
            let (_, line) = line.split_once(' ')?;
            let (qos, payload) = line.split_once(' ')?;
            let payload: Value = serde_json::from_str(payload).ok()?;
            (payload["id"] == customer).then(|| (qos.to_owned(), payload))
        };
        messages.lines().filter_map(of_line).collect()
    }
}

#[tokio::test]
async fn steps_reach_a_second_broker_by_each_way_and_at_each_qos_in_order() {
    let Some(aedes) = Aedes::start().await else { return };
    let ca = aedes.certificates.text("ca.pem");
    let urls = [
        format!("mqtt://localhost:{}", aedes.tcp),
        format!("mqtts://localhost:{}", aedes.tls),
        format!("ws://localhost:{}", aedes.ws),
        format!("wss://localhost:{}/mqtt", aedes.wss),
    ];
    let kinds = urls.iter().flat_map(|url| ["0", "1", "2"].map(|qos| (url, qos)));
    join_all(kinds.map(async |(url, qos)| {
        let mut vars = vec![("MQTT_URL", &**url), ("MQTT_QOS", qos), ("MQTT_PROTOCOL_VERSION", "MQTTv311")];
        if url.starts_with("mqtts") || url.starts_with("wss") {
            vars.push(("MQTT_BROKER_CERT_FILE", &ca));
        }
        let player = ServiceProcess::start(BINARY, &vars).await;
        player.wait_until_ready().await;
        let customer = format!("{url} at {qos}");
        post(&player, &walk(&customer, now_ms(), 200, 1)).await;
        let expected: Vec<_> = (0..200).map(|x| (qos.to_owned(), x)).collect();
        eventually_ok(&format!("all steps of {customer} arrive in order"), async || {
            let messages = aedes.messages_of(&customer).into_iter();
            let arrived: Vec<_> = messages.map(|(qos, step)| (qos, step["x"].as_i64().unwrap())).collect();
            if arrived == expected { Ok(()) } else { Err(format!("{arrived:?} {}", player.log())) }
        })
        .await;
    }))
    .await;
}

#[tokio::test]
async fn a_step_at_which_a_second_broker_ends_the_connection_is_put_aside_and_others_go_on() {
    let Some(aedes) = Aedes::start().await else { return };
    let urls = [format!("mqtt://localhost:{}", aedes.tcp), format!("ws://localhost:{}", aedes.ws)];
    join_all(urls.iter().map(async |url| {
        let vars = [("MQTT_URL", &**url), ("MQTT_PROTOCOL_VERSION", "MQTTv311")];
        let player = ServiceProcess::start(BINARY, &vars).await;
        player.wait_until_ready().await;
        let mut scenario = walk(url, now_ms(), 60, 1);
        scenario["path"][20]["type"] = "ENTER".into();
        post(&player, &scenario).await;
        wait_for_empty_timeline(&player).await;
        let letters = get_json(&player, "/dead_letters").await;
        assert_eq!((letters.as_array().unwrap().len(), &letters[0]["location"]["x"]), (1, &20.into()));
        let mut arrived: Vec<_> =
            aedes.messages_of(url).iter().map(|(_, step)| step["x"].as_i64().unwrap()).collect();
        arrived.dedup();
        arrived.sort_unstable();
        arrived.dedup();
        assert_eq!(arrived, (0..60).filter(|x| *x != 20).collect::<Vec<_>>());
    }))
    .await;
}
