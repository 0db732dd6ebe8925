//! The settings of MQTT: the broker, and the messages.

use std::sync::{Arc, OnceLock};

use chassis::{SettingError, parsers};

use super::broker::BrokerSettings;
pub use super::broker::{BrokerConfig, ProtocolVersion};
use super::messages::MessageSettings;
use crate::message::StepMessages;

/// The broker, and what is sent to it.
#[derive(clap::Args)]
#[command(next_help_heading = "MQTT")]
pub struct MqttConfig {
    #[command(flatten)]
    broker: BrokerSettings,

    #[command(flatten)]
    messages: MessageSettings,

    /// Print the messages instead of sending them
    #[arg(long, env = "TESTING_MOCK_MQTT", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    testing_mock_mqtt: bool,

    /// What these settings come to, once that was asked.
    #[arg(skip)]
    target: OnceLock<Arc<MqttTarget>>,
}

/// Where messages go.
pub enum MqttTarget {
    /// To standard output.
    Print,
    /// To a broker.
    Broker(Box<BrokerConfig>),
}

impl MqttConfig {
    /// Where messages go. The first call reads the files of TLS.
    ///
    /// # Errors
    /// When no broker is named, or the settings of TLS cannot be used.
    pub fn target(&self) -> Result<Arc<MqttTarget>, SettingError> {
        if let Some(target) = self.target.get() {
            return Ok(Arc::clone(target));
        }
        let target = Arc::new(self.find_target()?);
        Ok(Arc::clone(self.target.get_or_init(|| target)))
    }

    fn find_target(&self) -> Result<MqttTarget, SettingError> {
        if self.testing_mock_mqtt {
            return Ok(MqttTarget::Print);
        }
        let broker = self.broker.broker()?;
        let missing = || SettingError::new("MQTT_HOST", "must be set unless TESTING_MOCK_MQTT=true");
        broker.map(Box::new).map(MqttTarget::Broker).ok_or_else(missing)
    }

    /// What steps become.
    pub(crate) fn messages(&self) -> StepMessages {
        self.messages.messages()
    }
}
