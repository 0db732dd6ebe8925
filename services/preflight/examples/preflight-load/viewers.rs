//! Many viewers at once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use futures_util::{StreamExt, stream};
use test_support::load::{SocketEnd, Socket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Longer than any frame takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Sockets that are opened at once.
const OPENING: usize = 256;

/// Viewers, and how old each change was that one of them has seen. Gone when dropped.
pub(crate) struct Viewers {
    ages_us: mpsc::UnboundedReceiver<u32>,
    tasks: JoinSet<SocketEnd>,
    count: usize,
}

impl Viewers {
    /// Opens sockets, a share of them on each run, and waits for the first answer of each.
    pub(crate) async fn open(port: u16, sockets: usize, runs: usize) -> anyhow::Result<Self> {
        let (sender, ages_us) = mpsc::unbounded_channel();
        let (answered, mut answers) = mpsc::channel::<()>(1);
        let mut tasks = JoinSet::new();
        let mut opening = stream::iter(0..sockets)
            .map(|number| async move { Socket::open(port, &path(number % runs)).await })
            .buffer_unordered(OPENING);
        while let Some(socket) = opening.next().await {
            let (mut socket, sender, answered) = (socket?, sender.clone(), answered.clone());
            tasks.spawn(async move {
                socket.read(|_| true).await;
                drop(answered);
                socket.read(|text| age_us(text).is_some_and(|age| sender.send(age).is_err())).await
            });
        }
        drop(answered);
        // When nobody has a sender any more, everybody has been answered, or has ended.
        timeout(PATIENCE, answers.recv()).await.context("not every viewer was answered")?;
        let mut viewers = Self { ages_us, tasks, count: sockets };
        match viewers.tasks.try_join_next() {
            Some(end) => bail!("a viewer ended: {:?}", end?),
            None => Ok(viewers),
        }
    }

    /// How many were opened.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How old a change was when one of them saw it, in microseconds: the next that has not been asked for.
    pub(crate) async fn age(&mut self) -> anyhow::Result<u32> {
        tokio::select! {
            biased;
            Some(age) = self.ages_us.recv() => Ok(age),
            Some(end) = self.tasks.join_next() => bail!("a viewer ended: {:?}", end?),
            () = sleep(PATIENCE) => bail!("a viewer saw nothing for {PATIENCE:?}"),
        }
    }
}

/// How old the change in an answer is; the timestamps that stand in the hash from the start are no times of changes.
pub(crate) fn age_us(text: &[u8]) -> Option<u32> {
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
