//! The settings of messages: what the steps of each kind become.

use chassis::parsers;

use crate::message::{StepMessage, StepMessages};
use crate::template::{PayloadTemplate, TopicTemplate};

/// Topic, payload, QoS and retain flag of each kind of step.
#[derive(clap::Args)]
#[command(next_help_heading = "Messages")]
pub(super) struct MessageSettings {
    /// 0: at most once, 1: at least once, 2: exactly once as long as the connection lasts
    #[arg(long, env = "MQTT_QOS", default_value_t = 1, value_parser = qos())]
    mqtt_qos: u8,

    /// Topic of ENTER steps; {id}, {ts}, {ts_ms}, {time}, {x}, {y} and {type} are the step's
    #[arg(long, env = "ENTER_TOPIC", default_value = "customer/enter")]
    enter_topic: TopicTemplate,

    /// Topic of MOVE and FOCUS steps
    #[arg(long, env = "MOVE_TOPIC", default_value = "customer/move")]
    move_topic: TopicTemplate,

    /// Topic of EXIT steps
    #[arg(long, env = "EXIT_TOPIC", default_value = "customer/exit")]
    exit_topic: TopicTemplate,

    /// Payload of ENTER steps: JSON in which {id} and so on are the step's
    #[arg(long, env = "ENTER_PAYLOAD", default_value = r#"{"id":{id},"ts":{ts}}"#)]
    enter_payload: PayloadTemplate,

    /// Payload of MOVE and FOCUS steps
    #[arg(long, env = "MOVE_PAYLOAD", default_value = r#"{"id":{id},"ts":{ts},"x":{x},"y":{y}}"#)]
    move_payload: PayloadTemplate,

    /// Payload of EXIT steps
    #[arg(long, env = "EXIT_PAYLOAD", default_value = r#"{"id":{id},"ts":{ts}}"#)]
    exit_payload: PayloadTemplate,

    /// QoS of ENTER steps, if not MQTT_QOS
    #[arg(long, env = "ENTER_QOS", value_parser = qos())]
    enter_qos: Option<u8>,

    /// QoS of MOVE and FOCUS steps, if not MQTT_QOS
    #[arg(long, env = "MOVE_QOS", value_parser = qos())]
    move_qos: Option<u8>,

    /// QoS of EXIT steps, if not MQTT_QOS
    #[arg(long, env = "EXIT_QOS", value_parser = qos())]
    exit_qos: Option<u8>,

    /// The broker keeps the last ENTER step of each topic for later subscribers
    #[arg(long, env = "ENTER_RETAIN", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    enter_retain: bool,

    /// The same for MOVE and FOCUS steps
    #[arg(long, env = "MOVE_RETAIN", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    move_retain: bool,

    /// The same for EXIT steps
    #[arg(long, env = "EXIT_RETAIN", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    exit_retain: bool,
}

impl MessageSettings {
    pub(super) fn messages(&self) -> StepMessages {
        let message =
            |topic: &TopicTemplate, payload: &PayloadTemplate, qos: Option<u8>, retain| StepMessage {
                topic: topic.clone(),
                payload: payload.clone(),
                qos: qos.unwrap_or(self.mqtt_qos),
                retain,
            };
        StepMessages {
            enter: message(&self.enter_topic, &self.enter_payload, self.enter_qos, self.enter_retain),
            r#move: message(&self.move_topic, &self.move_payload, self.move_qos, self.move_retain),
            exit: message(&self.exit_topic, &self.exit_payload, self.exit_qos, self.exit_retain),
        }
    }
}

fn qos() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(0..=2)
}
