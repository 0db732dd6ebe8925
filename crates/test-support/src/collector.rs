use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use parking_lot::Mutex;
use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::eventually_ok;

/// A stand-in for a collector of traces: takes OTLP by HTTP on a free port of 127.0.0.1, and keeps the spans.
pub struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<TraceSpan>>>,
    _tasks: JoinSet<()>,
}

/// What a collector was told of a span. Ids are hex digits.
#[derive(Debug, Clone)]
pub struct TraceSpan {
    /// The name of the service.
    pub service: String,
    /// Its name.
    pub name: String,
    /// The id of its trace.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// The id of the span before it; empty if it is the first of its trace.
    pub parent_id: String,
}

impl Collector {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the collector");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let spans: Arc<Mutex<Vec<TraceSpan>>> = Arc::default();
        let mut tasks = JoinSet::new();
        let kept = Arc::clone(&spans);
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(BufReader::new(stream), Arc::clone(&kept)));
            }
        });
        Self { url, spans, _tasks: tasks }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All that it was told of so far.
    pub fn spans(&self) -> Vec<TraceSpan> {
        self.spans.lock().clone()
    }

    /// Waits for a span of this service with this name.
    pub async fn span(&self, service: &str, name: &str) -> TraceSpan {
        let find = async || {
            let spans = self.spans();
            let found = spans.iter().find(|span| span.service == service && span.name == name);
            found.cloned().ok_or_else(|| format!("none of {spans:?}"))
        };
        eventually_ok(&format!("a span {name} of {service}"), find).await
    }
}

async fn serve(mut stream: BufReader<TcpStream>, kept: Arc<Mutex<Vec<TraceSpan>>>) {
    while let Some(body) = read_body(&mut stream).await {
        let request = ExportTraceServiceRequest::decode(&*body).expect("a request of OTLP");
        kept.lock().extend(request.resource_spans.into_iter().flat_map(spans_of));
        // An empty message is the whole answer.
        let response = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if stream.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The body of the next request, which has a `content-length`.
async fn read_body(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().ok()?
            }
            None if line == "\r\n" => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

fn spans_of(sent: ResourceSpans) -> impl Iterator<Item = TraceSpan> {
    let attributes = sent.resource.unwrap_or_default().attributes;
    let name = attributes.into_iter().find(|attribute| attribute.key == "service.name");
    let service = match name.and_then(|name| name.value?.value) {
        Some(Value::StringValue(name)) => name,
        _ => String::new(),
    };
    sent.scope_spans.into_iter().flat_map(|scope| scope.spans).map(move |span| TraceSpan {
        service: service.clone(),
        name: span.name,
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_id: hex(&span.parent_span_id),
    })
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
