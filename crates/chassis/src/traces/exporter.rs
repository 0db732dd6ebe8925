//! Spans as HTTP requests to a collector.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use reqwest_tls::Client;
use tokio::runtime::{Builder, Runtime};
use tracing::{info, warn};

/// Sends spans to `endpoint`, on a thread of its own.
pub(super) fn to(endpoint: &str) -> anyhow::Result<SpanExporter> {
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("traces").enable_all().build();
    let runtime = runtime.context("start the thread that sends traces")?;
    let client =
        Client::builder().timeout(TIMEOUT).build().context("make a client for the collector of traces")?;
    SpanExporter::builder()
        .with_http()
        .with_http_client(OnRuntime { client, runtime, fails: AtomicBool::new(false) })
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .build()
        .context("make an exporter of traces")
}

/// How long the collector may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Requests come from a thread of the SDK that has no runtime.
#[derive(Debug)]
struct OnRuntime {
    client: Client,
    runtime: Runtime,
    /// Whether the last request failed, which is logged once.
    fails: AtomicBool,
}

impl OnRuntime {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let send = async move {
            let response = client.execute(request.try_into()?).await?.error_for_status()?;
            let status = response.status();
            Ok(Response::builder().status(status).body(response.bytes().await?)?)
        };
        self.runtime.spawn(send).await?
    }
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request).await;
        match (&sent, self.fails.swap(sent.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => warn!("cannot send traces, and drops them: {}", with_sources(&**error)),
            (Ok(_), true) => info!("traces are sent again"),
            _ => {}
        }
        sent
    }
}

/// An error with its reasons: that a request failed does not say why.
fn with_sources(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", with_sources(source)),
        None => error.to_string(),
    }
}
