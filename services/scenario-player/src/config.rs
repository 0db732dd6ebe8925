//! The settings. The first line of each field's documentation is its help text. The README has the same table.

mod broker;
mod broker_url;
mod command;
mod messages;
pub mod mqtt;
#[cfg(test)]
mod tests;
pub mod timeline;

use chassis::http::HttpSettings;
use chassis::{ProcessSettings, Service, SettingError, Settings};
use redis_core::RedisConfig;

pub(crate) use self::broker_url::Transport;
pub use self::command::Command;
use self::mqtt::{MqttConfig, MqttTarget};
pub use self::timeline::ConsumeFrom;
use self::timeline::TimelineConfig;

/// Plays scenarios of customers walking through a shop over MQTT.
#[derive(clap::Parser)]
pub struct Config {
    /// Where the timeline is kept, and how it is consumed.
    #[command(flatten)]
    pub timeline: TimelineConfig,
    /// The broker.
    #[command(flatten)]
    pub mqtt: MqttConfig,
    /// Redis.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// Who may use HTTP.
    #[command(flatten)]
    pub http: HttpSettings,
    /// The process.
    #[command(flatten)]
    pub process: ProcessSettings,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
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
        if self.command.is_some() {
            return match *self.mqtt.target()? {
                MqttTarget::Print => Err(SettingError::new("TESTING_MOCK_MQTT", "must be false to record")),
                MqttTarget::Broker(_) => Ok(()),
            };
        }
        if self.timeline.use_redis_backend && !self.redis.is_set() {
            return Err(SettingError::new("REDIS_HOST", "must be set when USE_REDIS_BACKEND=true"));
        }
        if self.timeline.max_bodies_bytes < self.timeline.max_body_bytes {
            return Err(SettingError::new("MAX_BODIES_BYTES", "must be at least MAX_BODY_BYTES"));
        }
        self.mqtt.target().map(drop)
    }
}
