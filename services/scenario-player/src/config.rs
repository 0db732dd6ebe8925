//! The settings; each field's first line is its help. The README has the same table.

use std::path::PathBuf;

use chassis::{ProcessSettings, Service, SettingError, Settings, parsers};
use redis_core::RedisConfig;
use rumqttc::{TlsConfiguration, Transport};

use crate::scenario::StepKind;
use crate::time::Micros;

/// Plays scenarios of customers walking through a shop over MQTT.
#[derive(clap::Parser)]
pub struct Config {
    /// Where the timeline is kept and how it is consumed.
    #[command(flatten)]
    pub timeline: TimelineConfig,
    /// The broker.
    #[command(flatten)]
    pub mqtt: MqttConfig,
    /// Redis.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// The process.
    #[command(flatten)]
    pub process: ProcessSettings,
}

/// The timeline and its limits.
#[derive(clap::Args)]
#[command(next_help_heading = "Timeline")]
pub struct TimelineConfig {
    /// Keep the timeline in Redis, shared by all instances
    #[arg(long, env = "USE_REDIS_BACKEND", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    pub use_redis_backend: bool,

    /// A scenario posted again replaces the stored one; otherwise its steps are appended
    #[arg(long, env = "SCENARIO_OVERWRITE", default_value = "true", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    pub scenario_overwrite: bool,

    /// Where to start on the timeline: earliest, latest (from process start) or an ISO 8601 time with a zone
    #[arg(long, env = "CONSUME_FROM", default_value = "latest", value_parser = consume_from)]
    pub consume_from: ConsumeFrom,

    /// Events that one instance may have published and not yet taken off the timeline, 1 to 10000
    #[arg(long, env = "CONSUME_BATCH_SIZE", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub consume_batch_size: u16,

    /// Accepted and without effect: an instance wakes when the next event is due
    #[arg(long, env = "CONSUME_FREQUENCY", hide = true)]
    pub consume_frequency: Option<String>,

    /// Largest body of a request
    #[arg(long, env = "MAX_BODY_BYTES", default_value = "32MB", value_parser = parsers::size)]
    pub max_body_bytes: usize,

    /// Most steps of one scenario
    #[arg(long, env = "MAX_SCENARIO_STEPS", default_value_t = 500_000)]
    pub max_scenario_steps: usize,
}

/// Where on the timeline to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumeFrom {
    /// At its beginning.
    Earliest,
    /// At the moment that the process started.
    Latest,
    /// At this time.
    At(Micros),
}

impl ConsumeFrom {
    /// In milliseconds; `None` is the moment that the process started.
    pub(crate) fn start_ms(self) -> Option<i64> {
        match self {
            ConsumeFrom::Earliest => Some(0),
            ConsumeFrom::Latest => None,
            ConsumeFrom::At(time) => Some(time.as_ms()),
        }
    }
}

/// The broker's settings.
#[derive(clap::Args)]
#[command(next_help_heading = "MQTT")]
pub struct MqttConfig {
    /// Host of the broker; required unless TESTING_MOCK_MQTT
    #[arg(long, env = "MQTT_HOST")]
    mqtt_host: Option<String>,

    /// Port of the broker
    #[arg(long, env = "MQTT_PORT", default_value_t = 1883)]
    mqtt_port: u16,

    /// Client id; a unique suffix is added
    #[arg(long, env = "MQTT_CLIENT_ID", default_value = "demoClient")]
    mqtt_client_id: String,

    /// User to sign in as
    #[arg(long, env = "MQTT_USERNAME")]
    mqtt_username: Option<String>,

    /// Password of the user
    #[arg(long, env = "MQTT_PASSWORD", hide_env_values = true)]
    mqtt_password: Option<String>,

    /// File of the CA that signed the broker's certificate (PEM); when set, TLS is used
    #[arg(long, env = "MQTT_BROKER_CERT_FILE", value_parser = certificate)]
    mqtt_broker_cert_file: Option<Certificate>,

    /// MQTTv5 or MQTTv311
    #[arg(long, env = "MQTT_PROTOCOL_VERSION", default_value = "MQTTv5", value_enum)]
    mqtt_protocol_version: Protocol,

    /// 0: at most once, 1: at least once, 2: exactly once while the connection stands
    #[arg(long, env = "MQTT_QOS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    mqtt_qos: u8,

    /// Topic of ENTER steps
    #[arg(long, env = "ENTER_TOPIC", default_value = "customer/enter", value_parser = topic)]
    enter_topic: String,

    /// Topic of MOVE and FOCUS steps
    #[arg(long, env = "MOVE_TOPIC", default_value = "customer/move", value_parser = topic)]
    move_topic: String,

    /// Topic of EXIT steps
    #[arg(long, env = "EXIT_TOPIC", default_value = "customer/exit", value_parser = topic)]
    exit_topic: String,

    /// Print the messages instead of sending them
    #[arg(long, env = "TESTING_MOCK_MQTT", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    testing_mock_mqtt: bool,
}

/// The version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// 5.0.
    #[value(name = "MQTTv5")]
    MQTTv5,
    /// 3.1.1.
    #[value(name = "MQTTv311")]
    MQTTv311,
}

/// A certificate that was read when the settings were.
#[derive(Clone)]
struct Certificate(Vec<u8>);

/// Where messages go.
pub enum Mqtt {
    /// To standard output.
    Print,
    /// To a broker.
    Broker(Broker),
}

/// A broker and how to sign in there.
pub struct Broker {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) protocol: Protocol,
    pub(crate) qos: u8,
    client_id: String,
    certificate: Option<Certificate>,
}

impl Broker {
    /// The client id with a suffix that no other instance and no earlier session has.
    pub(crate) fn unique_client_id(&self) -> String {
        format!("{}-{}-{:x}", self.client_id, std::process::id(), jiff::Timestamp::now().as_microsecond())
    }

    /// TLS, where a CA is set.
    pub(crate) fn transport(&self) -> Option<Transport> {
        let Certificate(ca) = self.certificate.clone()?;
        Some(Transport::tls_with_config(TlsConfiguration::Simple { ca, alpn: None, client_auth: None }))
    }
}

/// The topic of each kind of step.
#[derive(Debug, Clone)]
pub struct Topics {
    enter: String,
    r#move: String,
    exit: String,
}

impl Topics {
    /// The topic of a kind.
    pub fn of(&self, kind: StepKind) -> &str {
        match kind {
            StepKind::Enter => &self.enter,
            StepKind::Move | StepKind::Focus => &self.r#move,
            StepKind::Exit => &self.exit,
        }
    }
}

impl MqttConfig {
    /// Where messages go.
    pub fn target(&self) -> Mqtt {
        match &self.mqtt_host {
            Some(host) if !self.testing_mock_mqtt => Mqtt::Broker(Broker {
                host: host.clone(),
                port: self.mqtt_port,
                username: self.mqtt_username.clone(),
                password: self.mqtt_password.clone(),
                protocol: self.mqtt_protocol_version,
                qos: self.mqtt_qos,
                client_id: self.mqtt_client_id.clone(),
                certificate: self.mqtt_broker_cert_file.clone(),
            }),
            _ => Mqtt::Print,
        }
    }

    /// The topics.
    pub fn topics(&self) -> Topics {
        Topics {
            enter: self.enter_topic.clone(),
            r#move: self.move_topic.clone(),
            exit: self.exit_topic.clone(),
        }
    }
}

impl Settings for Config {
    const SERVICE: Service = Service {
        name: "scenario-player",
        version: env!("CARGO_PKG_VERSION"),
        prefix: "",
        defaults: &[("LISTEN_ADDR", ":8000")],
    };

    fn process(&self) -> &ProcessSettings {
        &self.process
    }

    fn check(&self) -> Result<(), SettingError> {
        if self.timeline.use_redis_backend && !self.redis.is_set() {
            return Err(SettingError::new("REDIS_HOST", "must be set when USE_REDIS_BACKEND=true"));
        }
        if self.mqtt.mqtt_host.is_none() && !self.mqtt.testing_mock_mqtt {
            return Err(SettingError::new("MQTT_HOST", "must be set unless TESTING_MOCK_MQTT=true"));
        }
        Ok(())
    }
}

fn consume_from(text: &str) -> Result<ConsumeFrom, String> {
    match text.to_ascii_lowercase().as_str() {
        "earliest" => Ok(ConsumeFrom::Earliest),
        "latest" => Ok(ConsumeFrom::Latest),
        _ => Micros::parse(text)
            .map(ConsumeFrom::At)
            .map_err(|_| "must be earliest, latest or an ISO 8601 time with a zone".to_owned()),
    }
}

fn certificate(path: &str) -> Result<Certificate, String> {
    let pem =
        std::fs::read(PathBuf::from(path)).map_err(|error| format!("must be a readable file: {error}"))?;
    let has_one = pem.windows(CERTIFICATE.len()).any(|window| window == CERTIFICATE);
    if has_one { Ok(Certificate(pem)) } else { Err("must be a file of PEM certificates".to_owned()) }
}

fn topic(text: &str) -> Result<String, String> {
    let valid = (1..=65_535).contains(&text.len()) && !text.contains(['+', '#', '\0']);
    if valid { Ok(text.to_owned()) } else { Err("must be a topic without wildcards".to_owned()) }
}

const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use super::*;
    use chassis::settings::from_vars;

    fn refusal(vars: &[(&'static str, &'static str)]) -> String {
        from_vars::<Config>(vars.iter().copied()).err().unwrap().to_string()
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let config = from_vars::<Config>([("MQTT_HOST", "broker")]).unwrap();
        assert!(!config.timeline.use_redis_backend && config.timeline.scenario_overwrite);
        assert_eq!(config.timeline.consume_from, ConsumeFrom::Latest);
        assert_eq!((config.timeline.max_body_bytes, config.timeline.max_scenario_steps), (32 << 20, 500_000));
        assert_eq!(config.process.listen_addr, "0.0.0.0:8000");
        let Mqtt::Broker(broker) = config.mqtt.target() else { panic!("a broker was named") };
        assert_eq!((broker.port, broker.qos, broker.protocol), (1883, 1, Protocol::MQTTv5));
        assert!(broker.unique_client_id().starts_with("demoClient-"));
        let topics = config.mqtt.topics();
        let topics = [StepKind::Enter, StepKind::Move, StepKind::Focus, StepKind::Exit]
            .map(|kind| topics.of(kind).to_owned());
        assert_eq!(topics, ["customer/enter", "customer/move", "customer/move", "customer/exit"]);
    }

    #[test]
    fn each_setting_that_cannot_be_used_is_named() {
        assert_eq!(refusal(&[]), "MQTT_HOST must be set unless TESTING_MOCK_MQTT=true");
        let mock = ("TESTING_MOCK_MQTT", "true");
        assert_eq!(
            refusal(&[mock, ("USE_REDIS_BACKEND", "true")]),
            "REDIS_HOST must be set when USE_REDIS_BACKEND=true"
        );
        assert_eq!(
            refusal(&[mock, ("CONSUME_FROM", "2021-04-14T08:00:00")]),
            "CONSUME_FROM must be earliest, latest or an ISO 8601 time with a zone"
        );
        assert_eq!(
            refusal(&[mock, ("MQTT_PROTOCOL_VERSION", "4")]),
            "MQTT_PROTOCOL_VERSION must be one of MQTTv5, MQTTv311"
        );
        assert!(refusal(&[mock, ("MQTT_QOS", "3")]).starts_with("MQTT_QOS must be"));
        assert!(refusal(&[mock, ("MQTT_PORT", "mqtt")]).starts_with("MQTT_PORT must be"));
        assert!(
            refusal(&[mock, ("MQTT_BROKER_CERT_FILE", "/nowhere")])
                .starts_with("MQTT_BROKER_CERT_FILE must be a readable file")
        );
        assert_eq!(refusal(&[mock, ("MOVE_TOPIC", "a/#")]), "MOVE_TOPIC must be a topic without wildcards");
        assert_eq!(
            refusal(&[mock, ("USE_REDIS_BACKEND", "perhaps")]),
            "USE_REDIS_BACKEND must be true or false"
        );
    }
}
