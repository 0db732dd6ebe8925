//! Logs: one line per event on standard error, as text or JSON.

use std::{io, panic};

use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::{SubscriberBuilder, fmt};

use crate::ProcessSettings;
use crate::one_line::OneLine;

/// Starts logging for this process. `RUST_LOG` wins over `LOG_LEVEL`. A panic is logged as an event like any other.
/// In both formats an event is one line, whatever it holds.
pub fn init(settings: &ProcessSettings) {
    let level = match settings.log_level.to_ascii_uppercase().as_str() {
        "WARNING" => "warn".to_owned(),
        "CRITICAL" => "error".to_owned(),
        level => level.to_owned(),
    };
    // The client libraries' own logs repeat what the services say in one line.
    let default = format!("{level},fred=error,rumqttc=error,actix_server=warn");
    let filter = EnvFilter::new(settings.rust_log.as_deref().unwrap_or(&default));
    // A second call in one process (in tests) keeps the first subscriber.
    let _ = match settings.log_format.as_str() {
        "json" => {
            logs().with_writer(io::stderr).with_env_filter(filter).json().flatten_event(true).try_init()
        }
        _ => {
            let writer = || OneLine(io::stderr());
            logs().with_writer(writer).with_env_filter(filter).with_ansi(false).try_init()
        }
    };
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        error!(location, "panicked: {}", panic.payload_as_str().unwrap_or("no message"));
    }));
}

/// Starts logging in JSON for a process whose settings are refused.
pub(crate) fn init_json() {
    let _ = logs().with_writer(io::stderr).json().flatten_event(true).try_init();
}

fn logs() -> SubscriberBuilder {
    fmt().with_target(false)
}
