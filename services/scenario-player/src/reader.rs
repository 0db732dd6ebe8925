//! Reads the events of a lane shortly before they are due, and hands them to the player.
//!
//! Reading takes nothing off the timeline. The claimed events are remembered, so reading again from the start finds only
//! new ones. The reader does that on a timer, because a hint may be lost.

mod read_state;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::traces;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use self::read_state::{FULL_READ_INTERVAL, ReadState};
use crate::assignment::Assignment;
use crate::claimed::ClaimedEvents;
use crate::hint::Hint;
use crate::lane_clocks::LaneClocks;
use crate::lanes::{Lane, Lanes};
use crate::range::{ClaimedEvent, PREFETCH_MS, Page, RangeQuery};
use crate::release_request::ReleaseRequest;
use crate::timeline::Timeline;
use crate::unavailable::Unavailable;
use crate::work::{JOIN_AHEAD_MS, Work, has_work};

/// The task that reads ahead for the player.
pub(crate) struct LaneReader {
    pub(crate) lane: Lane,
    pub(crate) timeline: Timeline,
    pub(crate) clocks: Arc<LaneClocks>,
    pub(crate) claimed: Arc<ClaimedEvents>,
    /// The instance name under which it reads.
    pub(crate) instance: Arc<str>,
    pub(crate) assignment: watch::Receiver<Assignment>,
    pub(crate) work: Arc<Work>,
    /// Where the player gets its events.
    pub(crate) pages: mpsc::Sender<Vec<ClaimedEvent>>,
    /// Wakes the player after each page, and when the clock was set.
    pub(crate) player: Arc<Notify>,
    pub(crate) release_requests: mpsc::Sender<ReleaseRequest>,
    pub(crate) stopping: CancellationToken,
}

/// What the reader does next.
enum Next {
    Poll,
    PollFromStart,
    ReleaseAndPoll,
    Stop,
}

impl LaneReader {
    /// Reads until it is stopped.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut hints = self.timeline.hints(self.lane);
        let mut state = ReadState::new(self.timeline.lanes());
        loop {
            let assignment = self.refresh_assignment(&mut state);
            if assignment.instance != self.instance {
                // The lease was lost. Other instances may publish our claimed events by now.
                self.instance = Arc::clone(&assignment.instance);
                self.release_unpublished(&mut state).await;
            }
            let next_poll = if assignment.is_idle() {
                // To read what others play would cost Redis as much again. The membership is told whether there is work.
                Instant::now() + FULL_READ_INTERVAL
            } else {
                let next_poll = self.poll(&mut state, &assignment).await;
                next_poll.unwrap_or_else(|_| Instant::now() + RETRY_DELAY)
            };
            match self.hand_over_until(next_poll, &mut hints, &mut state).await {
                Next::Poll => {}
                Next::PollFromStart => state.rewind(),
                Next::ReleaseAndPoll => self.release_unpublished(&mut state).await,
                Next::Stop => return Ok(()),
            }
        }
    }

    /// The assignment to poll with. If it is a new one the cursor goes back to the start, whatever woke the reader: a new
    /// partition may have events that are due before the cursor.
    fn refresh_assignment(&mut self, state: &mut ReadState) -> Assignment {
        let assignment = self.assignment.borrow_and_update();
        if assignment.has_changed() {
            state.rewind();
        }
        assignment.clone()
    }

    /// Reads what is due soon, and returns when to poll again.
    async fn poll(&self, state: &mut ReadState, assignment: &Assignment) -> Result<Instant, Unavailable> {
        if state.needs_full_read() {
            state.rewind();
        }
        loop {
            let Assignment { partitions, start_ms, .. } = *assignment;
            let from_ms = state.cursor_ms.max(start_ms);
            self.claimed.begin_read();
            let requested_at = Instant::now();
            let until_ms = self.clocks.of(self.lane).now_ms() as i64 + PREFETCH_MS;
            let query = RangeQuery { from_ms, until_ms, limit: state.limit, start_ms };
            let page = self.timeline.read(self.lane, query).await?;
            if self.clocks.of(self.lane).sample(page.now_ms, requested_at) {
                self.player.notify_one();
                state.rewind();
                continue;
            }
            if page.changes != state.changes {
                // Events may have been added before the cursor. They come first, or a customer's order would be lost.
                state.changes = page.changes;
                state.rewind();
                continue;
            }
            self.update_has_work(&page, start_ms);
            let next_poll =
                if page.is_full { requested_at } else { self.next_poll(page.next_due_ms, requested_at) };
            let Some(events) = state.advance(page, until_ms) else { continue };
            // A partition must be ours both when the read began and now: another instance may have had it in between. The
            // first is checked here, the second by `claim`.
            let ours = events.into_iter().filter(|claimed| partitions[claimed.partition]).collect();
            let mut claimed = self.claimed.claim(ours);
            if let Err(error) = self.fill_in(&mut claimed).await {
                self.claimed.release(&claimed);
                state.rewind();
                return Err(error);
            }
            state.prefetched.extend(claimed);
            return Ok(next_poll);
        }
    }

    /// Looks up what the members of the timeline do not say.
    async fn fill_in(&self, events: &mut [ClaimedEvent]) -> Result<(), Unavailable> {
        self.timeline.fill_in_messages(events).await?;
        if traces::are_on() {
            self.timeline.fill_in_traces(self.lane, events).await?;
        }
        Ok(())
    }

    /// Hands events to the player, until it is time for the next poll or there is another reason for one.
    async fn hand_over_until(
        &mut self,
        next_poll: Instant,
        hints: &mut broadcast::Receiver<Hint>,
        state: &mut ReadState,
    ) -> Next {
        let (events, page_size) = (&mut state.prefetched, state.page_size);
        let mut clock_check = tokio::time::interval(CLOCK_CHECK_INTERVAL);
        loop {
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => return Next::Stop,
                hint = hints.recv() => match hint {
                    // The poll sees the count of changes, and starts where it must.
                    Ok(Hint::Posted) => return Next::Poll,
                    // An instance with work reads again soon anyway, and most of what is written then is its own doing.
                    Ok(Hint::Written) if !self.work.is_in(self.lane) => return Next::PollFromStart,
                    Ok(Hint::Written | Hint::Partitions) => {}
                    Ok(Hint::Reset) | Err(RecvError::Lagged(_)) => return Next::ReleaseAndPoll,
                    Err(RecvError::Closed) => return Next::Stop,
                },
                changed = self.assignment.changed() => {
                    return if changed.is_ok() { Next::PollFromStart } else { Next::Stop };
                }
                slot = self.pages.reserve(), if !events.is_empty() => match slot {
                    Ok(slot) => {
                        slot.send(events.drain(..events.len().min(page_size)).collect());
                        self.player.notify_one();
                    }
                    Err(_) => return Next::Stop,
                },
                _ = clock_check.tick() => if self.clocks.of(self.lane).machine_clock_was_set() { return Next::PollFromStart },
                // To read more than the player can take would only fill memory.
                () = tokio::time::sleep_until(next_poll.into()), if events.len() < page_size => return Next::Poll,
            }
        }
    }

    /// Releases all events that are not published yet, here and in the player, and rewinds.
    async fn release_unpublished(&self, state: &mut ReadState) {
        state.rewind();
        self.claimed.release(&state.prefetched);
        state.prefetched.clear();
        let (reply, unpublished) = oneshot::channel();
        let request = ReleaseRequest { lane: self.lane, instance: Arc::clone(&self.instance), reply };
        if self.release_requests.send(request).await.is_ok()
            && let Ok(unpublished) = unpublished.await
        {
            self.claimed.release(&unpublished);
        }
    }

    fn update_has_work(&self, page: &Page, start_ms: i64) {
        let has_work = has_work(page.first_due_ms, page.now_ms, start_ms) || !self.claimed.is_empty();
        self.work.set(self.lane, has_work);
    }

    /// Just before the next event must be read, within limits.
    fn next_poll(&self, next_due_ms: Option<i64>, requested_at: Instant) -> Instant {
        let has_work = self.work.is_in(self.lane);
        let ahead_ms = if has_work { PREFETCH_MS } else { JOIN_AHEAD_MS - 1 };
        let latest = requested_at + if has_work { FULL_READ_INTERVAL } else { IDLE_POLL_INTERVAL };
        let next =
            next_due_ms.map(|due_ms| self.clocks.of(self.lane).instant_at(due_ms as f64 - ahead_ms as f64));
        let pause = if self.timeline.lanes() == Lanes::ONE { MIN_POLL_INTERVAL } else { LANE_POLL_INTERVAL };
        next.unwrap_or(latest).clamp(requested_at + pause, latest)
    }
}

/// Between two polls, so that many small reads become one.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The same where there are many lanes, each with its share of the events. An event is still read half of [`PREFETCH_MS`] before it is
/// due.
const LANE_POLL_INTERVAL: Duration = Duration::from_millis(50);
const IDLE_POLL_INTERVAL: Duration = Duration::from_secs(20);
const RETRY_DELAY: Duration = Duration::from_millis(250);
/// How often it is looked whether this machine's clock was set.
const CLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Lanes;
    use crate::memory::MemoryTimeline;

    #[test]
    fn a_new_assignment_rewinds_the_cursor_even_if_something_else_woke_the_reader() {
        let (assignments, assignment) = watch::channel(Assignment::all());
        let mut reader = LaneReader {
            lane: Lanes::ONE.of("1"),
            timeline: Timeline::Memory(Arc::new(MemoryTimeline::default())),
            clocks: Arc::new(LaneClocks::new(Lanes::ONE)),
            claimed: Arc::new(ClaimedEvents::for_all_partitions()),
            instance: "memory".into(),
            assignment,
            work: Arc::new(Work::new(Lanes::ONE)),
            pages: mpsc::channel(1).0,
            player: Arc::default(),
            release_requests: mpsc::channel(1).0,
            stopping: CancellationToken::new(),
        };
        let mut state = ReadState { cursor_ms: 5, ..ReadState::new(Lanes::ONE) };
        reader.refresh_assignment(&mut state);
        assert_eq!(state.cursor_ms, 5);
        assignments.send_modify(|assignment| assignment.partitions[7] = false);
        reader.refresh_assignment(&mut state);
        assert_eq!(state.cursor_ms, i64::MIN);
    }
}
