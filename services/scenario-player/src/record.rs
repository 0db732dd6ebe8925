//! The command `record`: prints the messages of a broker.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::mqtt::{MqttConfig, MqttTarget};
use crate::message::Message;
use crate::mqtt::{ReceiveError, receive};
use crate::recording::RecordedMessage;
use crate::time::EpochMicros;

/// Prints each message as a line of JSON, until a signal ends it, or nobody reads the lines any more.
///
/// # Errors
/// When the broker cannot be reached or refuses the subscription, or when a line cannot be written.
pub(crate) async fn run(config: &MqttConfig, filters: &[String]) -> anyhow::Result<ExitCode> {
    let target = config.target()?;
    let MqttTarget::Broker(broker) = &*target else { anyhow::bail!("there is no broker to record from") };
    let mut interrupted = signal(SignalKind::interrupt()).context("listen for signals")?;
    let mut terminated = signal(SignalKind::terminate()).context("listen for signals")?;
    tokio::select! {
        error = receive(broker, filters, print) => match error {
            ReceiveError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
            error => Err(error).context("record"),
        },
        _ = interrupted.recv() => Ok(ExitCode::SUCCESS),
        _ = terminated.recv() => Ok(ExitCode::SUCCESS),
    }
}

fn print(message: Message) -> io::Result<()> {
    let time = EpochMicros::default().plus(Timestamp::now().as_microsecond());
    writeln!(io::stdout(), "{}", RecordedMessage { time, message }.to_line())
}
