//! Logs: a line an event on standard error, as text or JSON.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::ProcessSettings;

/// Starts logging for this process. `RUST_LOG` wins over `LOG_LEVEL`.
pub fn init(settings: &ProcessSettings) {
    let level = match settings.log_level.to_ascii_uppercase().as_str() {
        "WARNING" => "warn".to_owned(),
        "CRITICAL" => "error".to_owned(),
        level => level.to_owned(),
    };
    // The clients' own logs repeat what the services say in one line.
    let default = format!("{level},fred=error,rumqttc=error,actix_server=warn");
    let filter = EnvFilter::new(settings.rust_log.as_deref().unwrap_or(&default));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // A second start in one process (tests) keeps the first.
    let _ = match settings.log_format.as_str() {
        "json" => logs.json().flatten_event(true).try_init(),
        _ => logs.with_ansi(false).try_init(),
    };
}
