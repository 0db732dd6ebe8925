//! Reads events from the timeline a little before they are due and hands them to the player.
//!
//! Nothing is taken off the timeline by reading. What is in hand is remembered, so that looking again from the start finds
//! only what is new; that is the answer to every hint that may have been lost, on a timer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::holdings::Holdings;
use crate::lanes::View;
use crate::timeline::{Claimed, Hint, Look, Page, Timeline, Unavailable};

/// Asks the player to let go of all that it has not published.
pub(crate) struct Recall {
    /// In whose name it goes on.
    pub(crate) instance: Arc<str>,
    /// It answers with those events.
    pub(crate) answer: oneshot::Sender<Vec<Claimed>>,
}

/// Reads ahead for one player.
pub(crate) struct Feed {
    pub(crate) timeline: Timeline,
    pub(crate) clock: Arc<Clock>,
    pub(crate) holdings: Arc<Holdings>,
    /// In whose name it reads.
    pub(crate) instance: Arc<str>,
    pub(crate) view: watch::Receiver<View>,
    pub(crate) active: watch::Sender<bool>,
    pub(crate) pages: mpsc::Sender<Vec<Claimed>>,
    pub(crate) recalls: mpsc::Sender<Recall>,
    pub(crate) stopping: CancellationToken,
}

/// Why the feed looks at the timeline, or what it does before.
enum Wake {
    Look,
    Again,
    Recall,
    Stop,
}

impl Feed {
    /// Reads until stopped.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut hints = self.timeline.hints();
        let mut reading = Reading::default();
        loop {
            let view = self.see(&mut reading);
            if view.instance != self.instance {
                // Our lease was lost: what we have not published is not ours to publish.
                self.instance = Arc::clone(&view.instance);
                self.let_go(&mut reading).await;
            }
            let next_look = match self.look(&mut reading, &view).await {
                Ok(next_look) => next_look,
                Err(_) => Instant::now() + RETRY,
            };
            match self.wait(&mut hints, &mut reading.ready, next_look).await {
                Wake::Look => {}
                Wake::Again => reading.begin_again(),
                Wake::Recall => self.let_go(&mut reading).await,
                Wake::Stop => return Ok(()),
            }
        }
    }

    /// The view to look with. If it is another than last time the cursor is not for its lanes, whatever woke us: steps of a
    /// lane that has just become ours may be due before it.
    fn see(&mut self, reading: &mut Reading) -> View {
        let view = self.view.borrow_and_update();
        if view.has_changed() {
            reading.begin_again();
        }
        view.clone()
    }

    /// Reads what has come within the horizon; says when to look next.
    async fn look(&self, reading: &mut Reading, view: &View) -> Result<Instant, Unavailable> {
        if reading.begun.elapsed() > SWEEP {
            reading.begin_again();
        }
        loop {
            let View { lanes, start_ms, .. } = *view;
            let limit = reading.limit;
            let from_ms = reading.cursor_ms.max(start_ms);
            self.holdings.look();
            let asked = Instant::now();
            let until_ms = self.clock.now_ms() as i64 + HORIZON_MS;
            let page = self.timeline.read(Look { from_ms, until_ms, limit, start_ms }).await?;
            self.clock.sample(page.now_ms, asked);
            if page.changes != reading.changes {
                // Steps may have come before our cursor: those first, or a customer's order would be lost.
                reading.changes = page.changes;
                reading.begin_again();
                continue;
            }
            self.update_activity(&page);
            let next_look = if page.full { asked } else { self.next_look(page.next_due_ms, asked) };
            let (mut claimed, mut read_ms) = (page.claimed, until_ms);
            if page.full {
                // The last millisecond may go on in the next page.
                read_ms = claimed.last().map_or(read_ms, |last| last.due_ms);
                claimed.retain(|claimed| claimed.due_ms < read_ms);
                if claimed.is_empty() {
                    // The page is one millisecond: a larger one is needed.
                    reading.limit *= 2;
                    continue;
                }
            } else {
                reading.limit = PAGE;
            }
            // Those of one millisecond in the order they were posted.
            claimed.sort_by_key(|claimed| (claimed.due_ms, claimed.event.place));
            reading.cursor_ms = read_ms;
            // Of our lanes both when we looked and now: another may have had them in between.
            let ours = claimed.into_iter().filter(|claimed| lanes[claimed.lane]).collect();
            reading.ready.extend(self.holdings.take(ours));
            return Ok(next_look);
        }
    }

    /// Hands over what is ready while it waits for the next reason to look.
    async fn wait(
        &mut self,
        hints: &mut broadcast::Receiver<Hint>,
        ready: &mut VecDeque<Claimed>,
        next_look: Instant,
    ) -> Wake {
        loop {
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => return Wake::Stop,
                hint = hints.recv() => match hint {
                    // The count of changes makes the look begin where it must.
                    Ok(Hint::Posted) => return Wake::Look,
                    Ok(Hint::Lanes) => {}
                    Ok(Hint::Reset) | Err(RecvError::Lagged(_)) => return Wake::Recall,
                    Err(RecvError::Closed) => return Wake::Stop,
                },
                changed = self.view.changed() => return if changed.is_ok() { Wake::Again } else { Wake::Stop },
                slot = self.pages.reserve(), if !ready.is_empty() => match slot {
                    Ok(slot) => slot.send(ready.drain(..ready.len().min(PAGE)).collect()),
                    Err(_) => return Wake::Stop,
                },
                // Reading further than the player can follow would only fill memory.
                () = tokio::time::sleep_until(next_look.into()), if ready.len() < PAGE => return Wake::Look,
            }
        }
    }

    /// Lets go of all that has been read and not published, here and in the player, and begins again.
    async fn let_go(&self, reading: &mut Reading) {
        reading.begin_again();
        self.holdings.release(&reading.ready);
        reading.ready.clear();
        let (answer, dropped) = oneshot::channel();
        if self.recalls.send(Recall { instance: Arc::clone(&self.instance), answer }).await.is_ok()
            && let Ok(dropped) = dropped.await
        {
            self.holdings.release(&dropped);
        }
    }

    /// There is work while anything is due soon or overdue, whoever plays it now: its owner may fall silent.
    fn update_activity(&self, page: &Page) {
        let soon = |due_ms: i64| due_ms.saturating_sub(page.now_ms as i64) < ACTIVE_AHEAD_MS;
        let active = page.first_due_ms.is_some_and(soon) || !self.holdings.is_empty();
        self.active.send_if_modified(|was| std::mem::replace(was, active) != active);
    }

    /// Just before the next event enters the horizon, but neither at once again nor never.
    fn next_look(&self, next_due_ms: Option<i64>, asked: Instant) -> Instant {
        let due = next_due_ms.map(|due_ms| due_ms as f64);
        let ahead = if *self.active.borrow() { HORIZON_MS } else { ACTIVE_AHEAD_MS - 1 };
        let at = due.map(|due_ms| self.clock.instant_of(due_ms - ahead as f64));
        let latest = asked + if *self.active.borrow() { SWEEP } else { IDLE };
        at.unwrap_or(latest).clamp(asked + LOOK_PAUSE, latest)
    }
}

/// How far the timeline has been read.
struct Reading {
    /// Everything due before this has been read (ms).
    cursor_ms: i64,
    /// Events to read at once.
    limit: usize,
    /// The count of changes that the cursor belongs to.
    changes: u64,
    /// Read, and not yet with the player.
    ready: VecDeque<Claimed>,
    /// When it last began at the start of the timeline.
    begun: Instant,
}

impl Reading {
    fn begin_again(&mut self) {
        self.cursor_ms = i64::MIN;
        self.begun = Instant::now();
    }
}

impl Default for Reading {
    fn default() -> Self {
        Self { cursor_ms: i64::MIN, limit: PAGE, changes: 0, ready: VecDeque::new(), begun: Instant::now() }
    }
}

/// How far ahead of its time an event is read. Longer than any ordinary pause of Redis, short enough that little is recalled.
const HORIZON_MS: i64 = 100;
/// An instance joins this long before the next event is due.
const ACTIVE_AHEAD_MS: i64 = 6_000;
const PAGE: usize = 2_000;
/// Between two looks, so that many small reads become one.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Looking again from the start bounds what a lost hint can cost.
const SWEEP: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(20);
const RETRY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    #[test]
    fn lanes_that_come_while_another_thing_wakes_the_feed_are_read_from_the_start() {
        let (views, view) = watch::channel(View::all());
        let mut feed = Feed {
            timeline: Timeline::Memory(Arc::new(Memory::default())),
            clock: Arc::new(Clock::new()),
            holdings: Arc::new(Holdings::of_all_lanes()),
            instance: "memory".into(),
            view,
            active: watch::channel(false).0,
            pages: mpsc::channel(1).0,
            recalls: mpsc::channel(1).0,
            stopping: CancellationToken::new(),
        };
        let mut reading = Reading { cursor_ms: 5, ..Reading::default() };
        feed.see(&mut reading);
        assert_eq!(reading.cursor_ms, 5);
        views.send_modify(|view| view.lanes[7] = false);
        feed.see(&mut reading);
        assert_eq!(reading.cursor_ms, i64::MIN);
    }
}
