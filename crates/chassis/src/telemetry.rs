//! Logs: one line per event on standard error, as text or JSON. With traces, what is logged in a span has its trace's id.

use std::{io, iter, panic};

use tracing::error;
use tracing_subscriber::fmt::{SubscriberBuilder, fmt};
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::one_line::OneLine;
use crate::{ProcessSettings, Service, traces};

/// Starts logging for this process, and traces if there is a collector of them. `RUST_LOG` wins over `LOG_LEVEL`. A panic is logged
/// as an event like any other. In both formats an event is one line, whatever it holds.
///
/// # Errors
/// When traces cannot be started. Logging is.
pub fn init(service: Service, settings: &ProcessSettings) -> anyhow::Result<()> {
    let level = match settings.log_level.to_ascii_uppercase().as_str() {
        "WARNING" => "warn".to_owned(),
        "CRITICAL" => "error".to_owned(),
        level => level.to_owned(),
    };
    // The client libraries' own logs repeat what the services say in one line.
    let default = format!("{level},fred=error,rumqttc=error,actix_server=warn,aws_config=error");
    let mut directives = settings.rust_log.clone().unwrap_or(default);
    if settings.otel_exporter_otlp_endpoint.is_some() {
        // The spans, whatever is logged.
        directives += ",chassis::traces=info";
    }
    let filter = EnvFilter::new(directives);
    let lines = tracing_subscriber::fmt::layer().with_target(false);
    let lines: Box<dyn Layer<Filtered> + Send + Sync> = match settings.log_format.as_str() {
        "json" => lines.with_writer(io::stderr).json().flatten_event(true).with_span_list(false).boxed(),
        _ => lines.with_writer(|| OneLine(io::stderr())).with_ansi(false).boxed(),
    };
    let started =
        settings.otel_exporter_otlp_endpoint.as_deref().map(|url| traces::start(service, url)).transpose();
    let (spans, failure) = match started {
        Ok(spans) => (spans, None),
        Err(reason) => (None, Some(reason)),
    };
    let layers: Vec<_> = iter::once(lines).chain(spans.map(Layer::boxed)).collect();
    // A second call in one process (in tests) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(filter).with(layers).try_init();
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        error!(location, "panicked: {}", panic.payload_as_str().unwrap_or("no message"));
    }));
    failure.map_or(Ok(()), Err)
}

/// One filter for all layers: with one for each, what a library asks of `log` can silence the next event of its thread.
type Filtered = Layered<EnvFilter, Registry>;

/// Starts logging in JSON for a process whose settings are refused.
pub(crate) fn init_json() {
    let _ = logs().with_writer(io::stderr).json().flatten_event(true).try_init();
}

fn logs() -> SubscriberBuilder {
    fmt().with_target(false)
}
