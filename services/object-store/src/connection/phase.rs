//! What a connection does with requests and responses, and how that changes.
//!
//! ```text
//!  hello ──▶ Following ──────────────────▶ Serving ──────────▶ Stopping
//!                        PredecessorEnded     │      StopDue      │
//!                                             │ GoodbyeSent       │ GoodbyeSent
//!                                             └──▶ SaidGoodbye ◀──┘
//!  any of them ── ClientLeft ──▶ Left
//! ```

use crate::session::link::Handover;

/// What is done with requests and responses now.
pub(super) enum Phase {
    /// No request is read before the client's previous connection has executed those that it received.
    Following(Handover),
    /// Requests are executed as they come.
    Serving,
    /// The node stops: no request is read any more, and those in flight are answered.
    Stopping,
    /// The goodbye has been sent: requests that still come are executed, and nothing is written.
    SaidGoodbye,
    /// The client has no use for this connection: what has arrived is executed, and answered over its next one.
    Left,
}

/// What can happen to a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// The client's previous connection has executed what it received.
    PredecessorEnded,
    /// The node stops, and the time that the client had to send one more request is over.
    StopDue,
    GoodbyeSent,
    /// The connection was reset, or replaced by a newer one.
    ClientLeft,
}

/// Where responses go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recipient {
    /// To the client, over this connection.
    Client,
    /// To the client, over its next connection.
    NextConnection,
    Nobody,
}

impl Phase {
    /// The only place where a phase changes. An event without a meaning in this phase changes nothing.
    pub(super) fn apply(&mut self, event: Event) {
        let next = match (&*self, event) {
            (Self::Following(_), Event::PredecessorEnded) => Self::Serving,
            (Self::Serving, Event::StopDue) => Self::Stopping,
            (Self::Serving | Self::Stopping, Event::GoodbyeSent) => Self::SaidGoodbye,
            (_, Event::ClientLeft) => Self::Left,
            _ => return,
        };
        *self = next;
    }

    /// True if requests that have arrived are executed.
    pub(super) fn executes_requests(&self) -> bool {
        match self {
            Self::Serving | Self::SaidGoodbye | Self::Left => true,
            Self::Following(_) | Self::Stopping => false,
        }
    }

    pub(super) fn recipient(&self) -> Recipient {
        match self {
            Self::Following(_) | Self::Serving | Self::Stopping => Recipient::Client,
            Self::Left => Recipient::NextConnection,
            Self::SaidGoodbye => Recipient::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn following() -> Phase {
        Phase::Following(oneshot::channel().1)
    }

    fn name(phase: &Phase) -> &'static str {
        match phase {
            Phase::Following(_) => "following",
            Phase::Serving => "serving",
            Phase::Stopping => "stopping",
            Phase::SaidGoodbye => "said goodbye",
            Phase::Left => "left",
        }
    }

    #[test]
    fn every_event_in_every_phase_leads_to_the_phase_of_the_diagram() {
        use Event::{ClientLeft, GoodbyeSent, PredecessorEnded, StopDue};
        let events = [PredecessorEnded, StopDue, GoodbyeSent, ClientLeft];
        for (phase, expected) in [
            (following as fn() -> Phase, ["serving", "following", "following", "left"]),
            (|| Phase::Serving, ["serving", "stopping", "said goodbye", "left"]),
            (|| Phase::Stopping, ["stopping", "stopping", "said goodbye", "left"]),
            (|| Phase::SaidGoodbye, ["said goodbye", "said goodbye", "said goodbye", "left"]),
            (|| Phase::Left, ["left"; 4]),
        ] {
            for (event, expected) in events.into_iter().zip(expected) {
                let mut now = phase();
                now.apply(event);
                assert_eq!(name(&now), expected, "{event:?} while {}", name(&phase()));
            }
        }
    }

    #[test]
    fn a_phase_says_whether_requests_are_executed_and_who_gets_their_responses() {
        for (phase, executes, recipient) in [
            (following(), false, Recipient::Client),
            (Phase::Serving, true, Recipient::Client),
            (Phase::Stopping, false, Recipient::Client),
            (Phase::SaidGoodbye, true, Recipient::Nobody),
            (Phase::Left, true, Recipient::NextConnection),
        ] {
            assert_eq!(
                (phase.executes_requests(), phase.recipient()),
                (executes, recipient),
                "{}",
                name(&phase)
            );
        }
    }
}
