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
use crate::lanes::{Holdings, View, lane_of};
use crate::timeline::{Claimed, Hint, Look, Page, Timeline};

/// Asks the player to let go of all that it has not published; it answers with those events.
pub(crate) type Recall = oneshot::Sender<Vec<Claimed>>;

/// Reads ahead for one player.
pub(crate) struct Feed {
    pub(crate) timeline: Timeline,
    pub(crate) clock: Arc<Clock>,
    pub(crate) holdings: Arc<Holdings>,
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
        let mut instance = Arc::clone(&self.view.borrow().instance);
        let mut cursor_ms = i64::MIN;
        let mut limit = PAGE;
        let mut changes = 0;
        let mut ready: VecDeque<Claimed> = VecDeque::new();
        let mut swept = Instant::now();
        loop {
            let view = self.view.borrow_and_update().clone();
            if view.instance != instance {
                // Our lease was lost: what we have not published is not ours to publish.
                instance = Arc::clone(&view.instance);
                self.let_go(&mut ready).await;
                cursor_ms = i64::MIN;
            }
            let start_ms = view.start_ms;
            let look = Look { from_ms: cursor_ms.max(start_ms), horizon_ms: HORIZON_MS, limit, start_ms };
            self.holdings.look();
            let asked = Instant::now();
            let next_look = match self.timeline.read(look).await {
                Ok(page) => {
                    self.clock.sample(page.now_ms, asked);
                    if page.changes != changes {
                        // Steps may have come before our cursor: those first, or a customer's order would be lost.
                        changes = page.changes;
                        cursor_ms = i64::MIN;
                        continue;
                    }
                    let full = page.claimed.len() >= limit;
                    self.update_activity(&page);
                    match whole_milliseconds(page, limit) {
                        None => {
                            limit *= 2;
                            continue;
                        }
                        Some(page) => {
                            limit = PAGE;
                            cursor_ms = page.until_ms;
                            // Of our lanes both when we looked and now: another may have had them in between.
                            ready.extend(page.claimed.into_iter().filter(|claimed| {
                                view.lanes[lane_of(&claimed.event.customer)] && self.holdings.take(claimed)
                            }));
                            if full { asked } else { self.next_look(page.next_due_ms, asked) }
                        }
                    }
                }
                Err(_) => asked + RETRY,
            };
            if swept.elapsed() > SWEEP {
                swept = Instant::now();
                cursor_ms = i64::MIN;
            }
            match self.wait(&mut hints, &mut ready, next_look).await {
                Wake::Look => {}
                Wake::Again => cursor_ms = i64::MIN,
                Wake::Recall => {
                    self.let_go(&mut ready).await;
                    cursor_ms = i64::MIN;
                }
                Wake::Stop => return Ok(()),
            }
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

    /// Lets go of all that has been read and not published, here and in the player.
    async fn let_go(&self, ready: &mut VecDeque<Claimed>) {
        self.holdings.release(&*ready);
        ready.clear();
        let (answer, dropped) = oneshot::channel();
        if self.recalls.send(answer).await.is_ok()
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

struct WholePage {
    claimed: Vec<Claimed>,
    next_due_ms: Option<i64>,
    /// Everything due before this has been read.
    until_ms: i64,
}

/// Cuts a full page before its last millisecond, which may go on in the next, and puts each millisecond in order of place.
/// `None` if the page is one millisecond: a larger one is needed.
fn whole_milliseconds(page: Page, limit: usize) -> Option<WholePage> {
    let Page { now_ms, mut claimed, next_due_ms, .. } = page;
    let mut until_ms = now_ms as i64 + HORIZON_MS;
    if claimed.len() >= limit {
        let (first, last) = (claimed.first()?.due_ms, claimed.last()?.due_ms);
        if first == last {
            return None;
        }
        claimed.retain(|claimed| claimed.due_ms < last);
        until_ms = last;
    }
    claimed.sort_by_key(|claimed| (claimed.due_ms, claimed.event.place));
    Some(WholePage { claimed, next_due_ms, until_ms })
}

/// How far ahead of its time an event is read. Longer than any ordinary pause of Redis, short enough that little is recalled.
const HORIZON_MS: i64 = 100;
/// An instance joins this long before the next event is due.
const ACTIVE_AHEAD_MS: i64 = 6_000;
const PAGE: usize = 1_000;
/// Between two looks, so that many small reads become one.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Looking again from the start bounds what a lost hint can cost.
const SWEEP: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(20);
const RETRY: Duration = Duration::from_millis(250);
