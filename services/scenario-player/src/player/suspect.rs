//! Which step it is that makes the broker end the connection.

use std::sync::Arc;

use crate::event::Event;
use crate::mqtt::Session;

/// The step that was alone in flight when a connection ended, and how often in a row that was so.
#[derive(Default)]
pub(super) struct Suspect {
    step: Option<Event>,
    connections: u8,
}

impl Suspect {
    /// A session ended. `alone` is the step that was the only one in flight.
    pub(super) fn on_lost(&mut self, alone: Option<&Event>) {
        if self.step.as_ref() != alone {
            *self = Self { step: alone.cloned(), connections: 0 };
        }
    }

    /// The next session begins. Returns the step that has twice ended a connection, and what the broker said.
    pub(super) fn on_session(&mut self, session: &Session) -> Option<(Event, Arc<str>)> {
        let Some(blame) = session.blame() else {
            // The broker was away, so that is why the connection ended.
            self.connections = 0;
            return None;
        };
        self.connections += u8::from(self.step.is_some());
        if self.connections < MAX_CONNECTIONS {
            return None;
        }
        let step = std::mem::take(self).step?;
        Some((step, format!("twice the connection ended when it was published: {blame}").into()))
    }
}

/// Connections that one step may end.
const MAX_CONNECTIONS: u8 = 2;
