//! Receives messages from a broker, for a recording.

use std::io;
use std::time::Duration;

use tracing::warn;

use super::event_loop::Lost;
use super::receiver::{ReceiveError, Received};
use super::{v4, v5};
use crate::config::mqtt::{BrokerConfig, ProtocolVersion};
use crate::message::Message;

/// Subscribes, and passes on each message. Connects again after a loss, but not if the first connection fails.
///
/// # Errors
/// [`ReceiveError`]: it ends with nothing else.
pub(crate) async fn receive(
    broker: &BrokerConfig,
    filters: &[String],
    mut on_message: impl FnMut(Message) -> io::Result<()>,
) -> ReceiveError {
    let mut was_subscribed = false;
    loop {
        let on_received = |received: Received| match received {
            Received::Answer(Ok(())) => {
                if std::mem::replace(&mut was_subscribed, true) {
                    warn!("connected again");
                }
                Ok(())
            }
            Received::Answer(Err(reason)) => Err(ReceiveError::Subscribe(reason)),
            Received::Message(message) => Ok(on_message(message)?),
        };
        let lost = match broker.version {
            ProtocolVersion::MQTTv311 => v4::receive(broker, filters, on_received).await,
            ProtocolVersion::MQTTv5 => v5::receive(broker, filters, on_received).await,
        };
        match lost {
            Ok(Lost { reason, .. }) if was_subscribed => {
                warn!("the connection to the broker is lost, so messages will be missing: {reason}");
            }
            Ok(Lost { reason, .. }) => return ReceiveError::Connect(reason),
            Err(error) => return error,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Between a lost connection and the next.
const PAUSE: Duration = Duration::from_millis(500);
