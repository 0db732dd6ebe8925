//! `/health`, `/ready`, `/metrics` and its history, whatever carries them, and a page at `/` that links to them.
//!
//! | path | answer |
//! |---|---|
//! | `/` | the name, the version and the links, in HTML |
//! | `/health` | 200 `OK` while the process lives |
//! | `/ready` | 200 `{"ready":true}`, 503 `{"ready":false,"reasons":[…]}`, or 404 while draining |
//! | `/metrics` | Prometheus text |
//! | `/metrics/history?names=a,b` | these metrics every 10 s of the last hour, as JSON: `{"times":[…],"series":{…}}` |

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use prometheus::{Registry, TextEncoder};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::metric_history::{INTERVAL_MS, MetricHistory};
use crate::readiness::Ready;
use crate::{Readiness, metrics};

/// Where the probes are. The page at `/` is none.
pub(crate) const PATHS: [&str; 4] = ["/health", "/ready", "/metrics", HISTORY_PATH];
pub(crate) const HISTORY_PATH: &str = "/metrics/history";

/// The probes of a process. Cloning shares them.
#[derive(Clone)]
pub struct Probes {
    readiness: Readiness,
    registry: Registry,
    history: Arc<Mutex<MetricHistory>>,
}

/// An answer to a probe, for any HTTP server to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Probes {
    /// Probes of a process that is as ready as `readiness` and counts in `registry`.
    pub(crate) fn new(readiness: Readiness, registry: Registry) -> Self {
        Self { readiness, registry, history: Arc::default() }
    }

    /// Takes the samples of the history until the process stops.
    pub(crate) async fn keep_history(self, stopping: CancellationToken) -> anyhow::Result<()> {
        loop {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            let since_due = u64::try_from(now.as_millis())? % INTERVAL_MS;
            let due = u64::try_from(now.as_millis())? - since_due;
            if let Ok(text) = self.encode_metrics() {
                self.history.lock().add(due, &text);
            }
            let pause = tokio::time::sleep(Duration::from_millis(INTERVAL_MS - since_due));
            if stopping.run_until_cancelled(pause).await.is_none() {
                return Ok(());
            }
        }
    }

    /// The answer for a path, or `None` if nothing is there. `names` is the query of that name.
    pub fn answer(&self, path: &str, names: Option<&str>) -> Option<Answer> {
        match path {
            "/" => Some(self.front_page()),
            "/health" => Some(Answer { status: 200, content_type: TEXT, body: "OK".to_owned() }),
            "/ready" => Some(self.ready()),
            "/metrics" => Some(self.metrics()),
            HISTORY_PATH => Some(self.history(names)),
            _ => None,
        }
    }

    /// For services that have no page of their own.
    fn front_page(&self) -> Answer {
        let (name, version) = metrics::build_info(&self.registry).unwrap_or_default();
        let title = format!("{name} {version}");
        // The links are relative: a proxy may have put this under another path.
        let body = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n<main>\n<h1>{title}</h1>\n\
             <p><a href=\"health\">/health</a> <a href=\"ready\">/ready</a> <a href=\"metrics\">/metrics</a></p>\n\
             <p>What it does and all its settings: services/{name}/README.md, and {name} --help.</p>\n</main>\n</html>\n"
        );
        Answer { status: 200, content_type: "text/html; charset=utf-8", body }
    }

    fn ready(&self) -> Answer {
        let (status, body) = match self.readiness.now() {
            Ready::Yes(notes) if notes.is_empty() => (200, json!({"ready": true})),
            Ready::Yes(notes) => (200, json!({"ready": true, "notes": notes})),
            Ready::No(reasons) => (503, json!({"ready": false, "reasons": reasons})),
            // haproxy reads 404 as "no new connections", and keeps the old ones.
            Ready::Draining => (404, json!({"ready": false, "reasons": ["draining"]})),
        };
        Answer { status, content_type: "application/json", body: body.to_string() }
    }

    fn encode_metrics(&self) -> prometheus::Result<String> {
        let mut families = self.registry.gather();
        // A family without a metric is an error to the encoder: a process may have no gate.
        let gates = metrics::gates(&self.readiness)?;
        families.extend(gates.into_iter().filter(|family| !family.get_metric().is_empty()));
        TextEncoder::new().encode_to_string(&families)
    }

    fn history(&self, names: Option<&str>) -> Answer {
        let names: Option<Vec<&str>> = names.map(|names| names.split(',').collect());
        let body = self.history.lock().to_json(names.as_deref()).to_string();
        Answer { status: 200, content_type: "application/json", body }
    }

    fn metrics(&self) -> Answer {
        match self.encode_metrics() {
            Ok(body) => Answer { status: 200, content_type: "text/plain; version=0.0.4", body },
            Err(reason) => {
                error!("encode metrics: {reason}");
                Answer { status: 500, content_type: TEXT, body: "metrics cannot be encoded".to_owned() }
            }
        }
    }
}

/// Asks the `/health` of the instance that listens at `listen_addr`, within 2 s.
pub(crate) fn is_healthy(listen_addr: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let target = listen_addr.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
        let addr = target.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect_timeout(&addr, HEALTH_TIMEOUT)?;
        stream.set_read_timeout(Some(HEALTH_TIMEOUT))?;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

const TEXT: &str = "text/plain; charset=utf-8";
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probes_answer_as_every_contract_says() {
        let readiness = Readiness::default();
        let probes = Probes::new(readiness.clone(), Registry::new());
        let answer = |path| probes.answer(path, None).map(|answer| (answer.status, answer.body));
        assert_eq!(answer("/health"), Some((200, "OK".to_owned())));
        assert_eq!(answer("/ready"), Some((200, r#"{"ready":true}"#.to_owned())));
        assert_eq!(answer("/metrics").map(|(status, _)| status), Some(200));
        let gate = readiness.gate("redis");
        gate.close("connection refused");
        let refused = r#"{"ready":false,"reasons":["redis: connection refused"]}"#;
        assert_eq!(answer("/ready"), Some((503, refused.to_owned())));
        let shows =
            |line| answer("/metrics").is_some_and(|(_, body)| body.lines().any(|shown| shown == line));
        assert!(shows(r#"process_gate_open{gate="redis"} 0"#));
        gate.note("notifications are off");
        let noted = r#"{"notes":["redis: notifications are off"],"ready":true}"#;
        assert_eq!(answer("/ready"), Some((200, noted.to_owned())));
        assert!(shows(r#"process_gate_open{gate="redis"} 1"#));
        assert!(shows(r#"process_gate_closings_total{gate="redis"} 0"#));
        readiness.drain();
        assert_eq!(answer("/ready").map(|(status, _)| status), Some(404));
        assert_eq!(answer("/health").map(|(status, _)| status), Some(200));
        assert_eq!(answer("/other"), None);
    }
}
