//! The settings of MQTT: the broker, and the messages.

use chassis::{SettingError, parsers};

use super::broker::BrokerSettings;
pub use super::broker::{BrokerConfig, ProtocolVersion};
use crate::scenario::StepKind;

/// The broker, and what is sent to it.
#[derive(clap::Args)]
#[command(next_help_heading = "MQTT")]
pub struct MqttConfig {
    #[command(flatten)]
    broker: BrokerSettings,

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

/// Where messages go.
pub enum MqttTarget {
    /// To standard output.
    Print,
    /// To a broker.
    Broker(Box<BrokerConfig>),
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
    /// Where messages go.
    ///
    /// # Errors
    /// When no broker is named, or the settings of TLS cannot be used.
    pub fn target(&self) -> Result<MqttTarget, SettingError> {
        if self.testing_mock_mqtt {
            return Ok(MqttTarget::Print);
        }
        let broker = self.broker.broker()?;
        let missing = || SettingError::new("MQTT_HOST", "must be set unless TESTING_MOCK_MQTT=true");
        broker.map(Box::new).map(MqttTarget::Broker).ok_or_else(missing)
    }

    /// The QoS of messages.
    pub fn qos(&self) -> u8 {
        self.mqtt_qos
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

fn parse_topic(text: &str) -> Result<String, String> {
    let is_valid = (1..=65_535).contains(&text.len()) && !text.contains(['+', '#', '\0']);
    if is_valid { Ok(text.to_owned()) } else { Err("must be a topic without wildcards".to_owned()) }
}
