//! The stand-in for a collector of traces, as a program. It prints `OTEL_EXPORTER_OTLP_ENDPOINT=URL`, and then a line for each span:
//! its service, name, trace, id and parent, with tabs between them.

use std::io::{self, Write};
use std::time::Duration;

use test_support::Collector;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let collector = Collector::start().await;
    let mut out = io::stdout();
    writeln!(out, "OTEL_EXPORTER_OTLP_ENDPOINT={}", collector.url())?;
    let mut printed = 0;
    loop {
        for span in &collector.spans()[printed..] {
            let ids = [&span.trace_id, &span.span_id, &span.parent_id].map(String::as_str);
            writeln!(out, "{}\t{}\t{}", span.service, span.name, ids.join("\t"))?;
            printed += 1;
        }
        out.flush()?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
