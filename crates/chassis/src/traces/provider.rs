//! Where the spans of this process go to.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Subscriber, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::exporter;
use crate::Service;

/// Starts to send spans to the collector at `endpoint`, such as `http://localhost:4318`. Returns the layer that
/// records them.
pub(crate) fn start<S>(service: Service, endpoint: &str) -> anyhow::Result<impl Layer<S> + use<S>>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let exporter = exporter::to(endpoint)?;
    let resource = Resource::builder()
        .with_service_name(service.name)
        .with_attribute(KeyValue::new("service.version", service.version))
        .build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let tracer = provider.tracer(service.name);
    // A second call in one process (in tests) keeps the first provider.
    let _ = PROVIDER.set(provider);
    Ok(tracing_opentelemetry::layer().with_tracer(tracer))
}

/// Whether spans are sent to a collector.
pub fn are_on() -> bool {
    PROVIDER.get().is_some()
}

/// Sends what is recorded and was not sent yet, for some seconds at most.
pub(crate) fn stop() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown_with_timeout(STOP_TIMEOUT)
    {
        warn!("cannot send the last spans to the collector: {error}");
    }
}

/// Once for the process.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
