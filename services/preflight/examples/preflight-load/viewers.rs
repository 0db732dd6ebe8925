//! Many viewers at once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use futures_util::{StreamExt, stream};
use test_support::load::{Socket, SocketEnd};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The longest wait for a message.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// Handshakes in flight at once.
const MAX_HANDSHAKES: usize = 256;

/// Connected viewers, and the latency of each change that one of them has received. Dropping it closes the
/// sockets.
pub(crate) struct Viewers {
    latencies_us: mpsc::UnboundedReceiver<u32>,
    tasks: JoinSet<SocketEnd>,
    count: usize,
}

impl Viewers {
    /// Opens sockets, equally many on each run, and waits for the first checklist of each.
    pub(crate) async fn open(port: u16, sockets: usize, runs: usize) -> anyhow::Result<Self> {
        let (sender, latencies_us) = mpsc::unbounded_channel();
        let (pending, mut all_served) = mpsc::channel::<()>(1);
        let mut tasks = JoinSet::new();
        let mut opening = stream::iter(0..sockets)
            .map(|number| async move { Socket::open(port, &path(number % runs)).await })
            .buffer_unordered(MAX_HANDSHAKES);
        while let Some(socket) = opening.next().await {
            let (mut socket, sender, pending) = (socket?, sender.clone(), pending.clone());
            tasks.spawn(async move {
                socket.read(|_| true).await;
                drop(pending);
                socket
                    .read(|text| latency_us(text).is_some_and(|latency| sender.send(latency).is_err()))
                    .await
            });
        }
        drop(pending);
        // A viewer drops its sender at its first checklist or when it ends. The receiver returns when all
        // have.
        timeout(MESSAGE_TIMEOUT, all_served.recv()).await.context("not every viewer was sent a checklist")?;
        let mut viewers = Self { latencies_us, tasks, count: sockets };
        match viewers.tasks.try_join_next() {
            Some(end) => bail!("a viewer ended: {:?}", end?),
            None => Ok(viewers),
        }
    }

    /// How many were opened.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The next latency that a viewer has measured, in microseconds.
    pub(crate) async fn next_latency(&mut self) -> anyhow::Result<u32> {
        tokio::select! {
            biased;
            Some(latency) = self.latencies_us.recv() => Ok(latency),
            Some(end) = self.tasks.join_next() => bail!("a viewer ended: {:?}", end?),
            () = sleep(MESSAGE_TIMEOUT) => bail!("a viewer received nothing for {MESSAGE_TIMEOUT:?}"),
        }
    }
}

/// The time since the change in a checklist message was made. `None` for the timestamps that the hash has
/// from the start.
pub(crate) fn latency_us(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    let sent: u64 = text.split(r#""last_modified":"#).nth(1)?.trim_end_matches('}').parse().ok()?;
    u32::try_from(now_us().saturating_sub(sent)).ok()
}

pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}

pub(crate) fn path(run: usize) -> String {
    format!("/run-{run}")
}
