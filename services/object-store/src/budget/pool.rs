//! A number of bytes, who holds them, and who waits for them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Waiting requests that are looked at when something is given back.
const LOOKED_AT_MAX: usize = 64;

pub(super) struct Pool {
    total: u64,
    available: u64,
    /// By number; only those that hold something.
    holders: BTreeMap<u64, Holder>,
    waiting: VecDeque<Waiting>,
    contended_since: Option<Instant>,
    last_number: u64,
}

#[derive(Clone, Copy)]
struct Holder {
    held: u64,
    /// What it may still need to end.
    remaining: u64,
}

struct Waiting {
    number: u64,
    more: u64,
    remaining: u64,
    granted: oneshot::Sender<()>,
}

impl Pool {
    pub(super) fn new(total: u64) -> Self {
        Self {
            total,
            available: total,
            holders: BTreeMap::new(),
            waiting: VecDeque::new(),
            contended_since: None,
            last_number: 0,
        }
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Requests `more` of the `remaining` bytes that a transfer may still need. `None` if it has them; otherwise it waits.
    pub(super) fn request(
        &mut self,
        number: u64,
        more: u64,
        remaining: u64,
    ) -> Option<oneshot::Receiver<()>> {
        // What is more than the whole would never end.
        let (more, remaining) = (more.min(self.total), remaining.min(self.total));
        let is_first = !self.waiting.iter().any(|waiting| self.is_new(waiting.number));
        if (is_first || !self.is_new(number)) && self.is_safe(number, more, remaining) {
            self.grant(number, more, remaining);
            return None;
        }
        let (granted, receiver) = oneshot::channel();
        self.waiting.push_back(Waiting { number, more, remaining, granted });
        self.contended_since.get_or_insert_with(Instant::now);
        Some(receiver)
    }

    /// A transfer gives back what it holds, and waits for nothing.
    pub(super) fn release(&mut self, number: u64) {
        if let Some(holder) = self.holders.remove(&number) {
            self.available += holder.held;
        }
        if !self.waiting.is_empty() {
            self.waiting.retain(|waiting| waiting.number != number);
            self.grant_waiting();
        }
    }

    pub(super) fn contended_for(&self) -> Option<Duration> {
        self.contended_since.map(|since| since.elapsed())
    }

    fn is_new(&self, number: u64) -> bool {
        !self.holders.contains_key(&number)
    }

    fn grant(&mut self, number: u64, more: u64, remaining: u64) {
        let holder = self.holders.entry(number).or_insert(Holder { held: 0, remaining });
        holder.held += more;
        holder.remaining = remaining - more;
        self.available -= more;
    }

    /// Grants what can be granted now. Transfers that are under way go first; new ones keep their order.
    fn grant_waiting(&mut self) {
        let (mut index, mut new_waits) = (0, false);
        while index < self.waiting.len().min(LOOKED_AT_MAX) {
            let Waiting { number, more, remaining, .. } = self.waiting[index];
            let is_new = self.is_new(number);
            if is_new && new_waits || !self.is_safe(number, more, remaining) {
                new_waits |= is_new;
                index += 1;
                continue;
            }
            if let Some(waiting) = self.waiting.remove(index) {
                self.grant(number, more, remaining);
                // If nobody receives it, the claim is being dropped, and gives it back.
                let _ = waiting.granted.send(());
            }
        }
        if self.waiting.is_empty() {
            self.contended_since = None;
        }
    }

    /// True if `more` bytes for this transfer leave enough for all to end, one after the other.
    fn is_safe(&self, number: u64, more: u64, remaining: u64) -> bool {
        let Some(mut free) = self.available.checked_sub(more) else { return false };
        let held = self.holders.get(&number).map_or(0, |holder| holder.held) + more;
        let others = self.holders.iter().filter(|(other, _)| **other != number).map(|(_, holder)| *holder);
        let all = others.chain([Holder { held, remaining: remaining - more }]);
        let mut all: Vec<Holder> = all.collect();
        if all.iter().all(|holder| holder.remaining <= free) {
            return true;
        }
        all.sort_unstable_by_key(|holder| holder.remaining);
        all.iter().all(|holder| {
            let can_end = holder.remaining <= free;
            free += holder.held;
            can_end
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_transfers_that_are_half_received_do_not_wait_for_each_other() {
        let mut pool = Pool::new(100);
        assert!(pool.request(1, 50, 80).is_none());
        // With 40 for the second, neither of the two could end.
        assert!(pool.request(2, 20, 80).is_none());
        let mut waits = pool.request(2, 20, 60).unwrap();
        assert!(waits.try_recv().is_err() && pool.contended_for().is_some());
        assert!(pool.request(1, 30, 30).is_none(), "the first goes on");
        pool.release(1);
        assert!(waits.try_recv().is_ok() && pool.contended_for().is_none());
        pool.release(2);
        assert_eq!((pool.available, pool.holders.len()), (100, 0));
    }

    #[test]
    fn one_that_has_received_little_of_much_stops_no_other() {
        let mut pool = Pool::new(100);
        assert!(pool.request(1, 1, 100).is_none());
        for number in 2..20 {
            assert!(pool.request(number, 5, 5).is_none());
        }
        pool.release(2);
        assert!(pool.request(20, 5, 5).is_none());
    }

    #[test]
    fn new_transfers_are_granted_in_their_order() {
        let mut pool = Pool::new(100);
        assert!(pool.request(1, 60, 60).is_none());
        let mut whole = pool.request(2, 100, 100).unwrap();
        let mut small = pool.request(3, 10, 10).unwrap();
        assert!(
            whole.try_recv().is_err() && small.try_recv().is_err(),
            "the second would wait for ever otherwise"
        );
        pool.release(1);
        assert!(whole.try_recv().is_ok() && small.try_recv().is_err());
        pool.release(2);
        assert!(small.try_recv().is_ok());
    }

    #[test]
    fn who_gives_up_waiting_holds_nothing() {
        let mut pool = Pool::new(100);
        assert!(pool.request(1, 100, 100).is_none());
        drop(pool.request(2, 50, 50));
        pool.release(2);
        assert!(pool.contended_for().is_none());
        pool.release(1);
        assert_eq!(pool.available, 100);
    }
}
