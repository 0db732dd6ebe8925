//! The settings of the broker.

use std::path::PathBuf;
use std::time::Duration;

use chassis::{parsers, unique};

use crate::scenario::StepKind;

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

    /// Client id; a unique suffix is added, unless MQTT_CLIENT_ID_EXACT
    #[arg(long, env = "MQTT_CLIENT_ID", default_value = "demoClient")]
    mqtt_client_id: String,

    /// Use the client id as it is; two instances would end each other's connection
    #[arg(long, env = "MQTT_CLIENT_ID_EXACT", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    mqtt_client_id_exact: bool,

    /// A broker that does not answer counts as lost after at most twice this time, 5 s to 18 h
    #[arg(long, env = "MQTT_KEEP_ALIVE", default_value = "5s", value_parser = parse_keep_alive)]
    mqtt_keep_alive: Duration,

    /// User to sign in as
    #[arg(long, env = "MQTT_USERNAME")]
    mqtt_username: Option<String>,

    /// Password of the user
    #[arg(long, env = "MQTT_PASSWORD", hide_env_values = true)]
    mqtt_password: Option<String>,

    /// File of the CA that signed the broker's certificate (PEM); when set, TLS is used
    #[arg(long, env = "MQTT_BROKER_CERT_FILE", value_parser = read_certificate)]
    mqtt_broker_cert_file: Option<Certificate>,

    /// MQTTv5 or MQTTv311
    #[arg(long, env = "MQTT_PROTOCOL_VERSION", default_value = "MQTTv5", value_enum)]
    mqtt_protocol_version: ProtocolVersion,

    /// 0: at most once, 1: at least once, 2: exactly once as long as the connection lasts
    #[arg(long, env = "MQTT_QOS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=2))]
    mqtt_qos: u8,

    /// Topic of ENTER steps
    #[arg(long, env = "ENTER_TOPIC", default_value = "customer/enter", value_parser = parse_topic)]
    enter_topic: String,

    /// Topic of MOVE and FOCUS steps
    #[arg(long, env = "MOVE_TOPIC", default_value = "customer/move", value_parser = parse_topic)]
    move_topic: String,

    /// Topic of EXIT steps
    #[arg(long, env = "EXIT_TOPIC", default_value = "customer/exit", value_parser = parse_topic)]
    exit_topic: String,

    /// Print the messages instead of sending them
    #[arg(long, env = "TESTING_MOCK_MQTT", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    testing_mock_mqtt: bool,
}

/// The version of the MQTT protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProtocolVersion {
    /// 5.0.
    #[value(name = "MQTTv5")]
    MQTTv5,
    /// 3.1.1.
    #[value(name = "MQTTv311")]
    MQTTv311,
}

/// PEM certificates, which are read together with the settings.
#[derive(Clone)]
pub(crate) struct Certificate(pub(crate) Vec<u8>);

/// Where messages go.
pub enum MqttTarget {
    /// To standard output.
    Print,
    /// To a broker.
    Broker(BrokerConfig),
}

/// A broker, and how to sign in there.
pub struct BrokerConfig {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) version: ProtocolVersion,
    pub(crate) qos: u8,
    pub(crate) ca_certificate: Option<Certificate>,
    pub(crate) keep_alive: Duration,
    client_id: String,
    is_client_id_exact: bool,
}

impl BrokerConfig {
    /// The client id: as it is set, or with a suffix that no other instance and no earlier session has.
    pub(crate) fn client_id(&self) -> String {
        if self.is_client_id_exact {
            return self.client_id.clone();
        }
        format!("{}-{:x}", self.client_id, unique::instance_id())
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
    /// The topic for steps of this kind.
    pub fn for_kind(&self, kind: StepKind) -> &str {
        match kind {
            StepKind::Enter => &self.enter,
            StepKind::Move | StepKind::Focus => &self.r#move,
            StepKind::Exit => &self.exit,
        }
    }
}

impl MqttConfig {
    /// Whether the settings say where messages go.
    pub(crate) fn has_target(&self) -> bool {
        self.testing_mock_mqtt || self.mqtt_host.is_some()
    }

    /// Where messages go.
    pub fn target(&self) -> MqttTarget {
        match &self.mqtt_host {
            Some(host) if !self.testing_mock_mqtt => MqttTarget::Broker(BrokerConfig {
                host: host.clone(),
                port: self.mqtt_port,
                username: self.mqtt_username.clone(),
                password: self.mqtt_password.clone(),
                version: self.mqtt_protocol_version,
                qos: self.mqtt_qos,
                ca_certificate: self.mqtt_broker_cert_file.clone(),
                keep_alive: self.mqtt_keep_alive,
                client_id: self.mqtt_client_id.clone(),
                is_client_id_exact: self.mqtt_client_id_exact,
            }),
            _ => MqttTarget::Print,
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

fn read_certificate(path: &str) -> Result<Certificate, String> {
    let pem =
        std::fs::read(PathBuf::from(path)).map_err(|error| format!("must be a readable file: {error}"))?;
    let has_certificate = pem.windows(PEM_HEADER.len()).any(|window| window == PEM_HEADER);
    if has_certificate { Ok(Certificate(pem)) } else { Err("must be a file of PEM certificates".to_owned()) }
}

/// Whole seconds, as the protocol has them. rumqttc takes no less than 5.
fn parse_keep_alive(text: &str) -> Result<Duration, String> {
    let keep_alive = parsers::duration(text)?;
    let is_valid = (5..=64_800).contains(&keep_alive.as_secs()) && keep_alive.subsec_nanos() == 0;
    if is_valid { Ok(keep_alive) } else { Err("must be whole seconds, from 5s to 18h".to_owned()) }
}

fn parse_topic(text: &str) -> Result<String, String> {
    let is_valid = (1..=65_535).contains(&text.len()) && !text.contains(['+', '#', '\0']);
    if is_valid { Ok(text.to_owned()) } else { Err("must be a topic without wildcards".to_owned()) }
}

const PEM_HEADER: &[u8] = b"-----BEGIN CERTIFICATE-----";
