//! Messages, and what a step becomes for the broker.

use crate::event::CustomerStep;
use crate::scenario::StepKind;
use crate::template::{PayloadTemplate, TopicTemplate};

/// A message, as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
}

/// How the steps of one kind are published.
#[derive(Clone)]
pub(crate) struct StepMessage {
    pub(crate) topic: TopicTemplate,
    pub(crate) payload: PayloadTemplate,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
}

/// How steps are published.
#[derive(Clone)]
pub(crate) struct StepMessages {
    pub(crate) enter: StepMessage,
    /// A FOCUS step is published as a move.
    pub(crate) r#move: StepMessage,
    pub(crate) exit: StepMessage,
}

impl StepMessages {
    /// The message of a step.
    pub(crate) fn message(&self, step: &CustomerStep) -> Message {
        let of_kind = self.of_kind(step.step.kind);
        Message {
            topic: of_kind.topic.render(step),
            payload: of_kind.payload.render(step),
            qos: of_kind.qos,
            retain: of_kind.retain,
        }
    }

    /// How the steps of this kind are published.
    pub(crate) fn of_kind(&self, kind: StepKind) -> &StepMessage {
        match kind {
            StepKind::Enter => &self.enter,
            StepKind::Move | StepKind::Focus => &self.r#move,
            StepKind::Exit => &self.exit,
        }
    }

    /// The highest QoS of any message.
    pub(crate) fn max_qos(&self) -> u8 {
        [&self.enter, &self.r#move, &self.exit].map(|kind| kind.qos).into_iter().max().unwrap_or_default()
    }
}
