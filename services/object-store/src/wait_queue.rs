//! Requests that wait for objects that do not exist yet, in the order in which they came.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::id::ObjectId;

/// Waiting requests, by object and by owner (the client that sent them). Each has a ticket: a number that orders them.
pub(crate) struct WaitQueue<W> {
    /// Boxed: a tree moves its values when others are removed.
    by_ticket: BTreeMap<u64, Box<Waiting<W>>>,
    by_id: HashMap<ObjectId, BTreeSet<u64>>,
    by_owner: HashMap<u64, BTreeSet<u64>>,
    last_ticket: Arc<AtomicU64>,
}

/// A request that waits.
pub(crate) struct Waiting<W> {
    pub(crate) ticket: u64,
    /// The object that it waits for.
    pub(crate) id: ObjectId,
    owner: u64,
    since: Instant,
    pub(crate) waiter: W,
}

impl<W> Default for WaitQueue<W> {
    fn default() -> Self {
        Self::with_tickets(Arc::default())
    }
}

impl<W> WaitQueue<W> {
    /// A queue that numbers its requests together with others: the last ticket is theirs too.
    pub(crate) fn with_tickets(last_ticket: Arc<AtomicU64>) -> Self {
        let (by_ticket, by_id, by_owner) = (BTreeMap::new(), HashMap::new(), HashMap::new());
        Self { by_ticket, by_id, by_owner, last_ticket }
    }

    /// Adds a request that waits for `id`.
    pub(crate) fn add(&mut self, id: ObjectId, owner: u64, waiter: W) {
        let ticket = self.next_ticket();
        self.add_with_ticket(ticket, id, owner, waiter);
    }

    /// A ticket for a request that may have to wait.
    pub(crate) fn next_ticket(&mut self) -> u64 {
        self.last_ticket.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Like [`WaitQueue::add`], with a ticket from [`WaitQueue::next_ticket`].
    pub(crate) fn add_with_ticket(&mut self, ticket: u64, id: ObjectId, owner: u64, waiter: W) {
        self.by_id.entry(id.clone()).or_default().insert(ticket);
        self.by_owner.entry(owner).or_default().insert(ticket);
        let waiting = Waiting { ticket, id, owner, since: Instant::now(), waiter };
        self.by_ticket.insert(ticket, Box::new(waiting));
    }

    /// Removes and returns the requests that wait for `id`, oldest first.
    pub(crate) fn take(&mut self, id: &ObjectId) -> Vec<W> {
        let tickets = self.by_id.get(id).cloned().unwrap_or_default();
        self.take_each(tickets).into_iter().map(|taken| taken.waiter).collect()
    }

    /// Removes one request, if it still waits.
    pub(crate) fn take_one(&mut self, ticket: u64) -> Option<Box<Waiting<W>>> {
        self.take_each([ticket]).pop()
    }

    /// Removes the requests of `owner`.
    pub(crate) fn take_owner(&mut self, owner: u64) -> Vec<Box<Waiting<W>>> {
        let tickets = self.by_owner.get(&owner).cloned().unwrap_or_default();
        self.take_each(tickets)
    }

    /// Removes those of these requests that still wait.
    pub(crate) fn take_each(&mut self, tickets: impl IntoIterator<Item = u64>) -> Vec<Box<Waiting<W>>> {
        let taken: Vec<_> = tickets.into_iter().filter_map(|ticket| self.by_ticket.remove(&ticket)).collect();
        // Thousands may wait for one object: their tickets are removed together.
        for same in taken.chunk_by(|one, other| one.id == other.id) {
            remove_all(&mut self.by_id, &same[0].id, same.iter().map(|one| one.ticket));
        }
        for same in taken.chunk_by(|one, other| one.owner == other.owner) {
            remove_all(&mut self.by_owner, &same[0].owner, same.iter().map(|one| one.ticket));
        }
        // Hundreds of thousands may have waited.
        shrink(&mut self.by_id);
        shrink(&mut self.by_owner);
        taken
    }

    /// Number of waiting requests of `owner`.
    pub(crate) fn count_of(&self, owner: u64) -> usize {
        self.by_owner.get(&owner).map_or(0, BTreeSet::len)
    }

    /// True if a request waits for `id`.
    pub(crate) fn contains(&self, id: &ObjectId) -> bool {
        self.by_id.contains_key(id)
    }

    /// The requests with a higher ticket than this, in order: ticket, id and waiter.
    pub(crate) fn after(&self, ticket: u64) -> impl Iterator<Item = (u64, &ObjectId, &W)> {
        let later = self.by_ticket.range(ticket + 1..);
        later.map(|(ticket, entry)| (*ticket, &entry.id, &entry.waiter))
    }

    /// Objects that requests wait for, those that have been waited for longest first, and the ticket to go on after; `None` at
    /// the end.
    pub(crate) fn awaited(&self, after: u64, max: usize) -> (Vec<Awaited>, Option<u64>) {
        let (mut found, mut last) = (Vec::new(), None);
        for (ticket, entry) in self.by_ticket.range(after + 1..).take(VISITED_MAX) {
            let tickets = self.by_id.get(&entry.id).filter(|tickets| tickets.first() == Some(ticket));
            found.extend(tickets.map(|tickets| Awaited {
                ticket: *ticket,
                id: entry.id.clone(),
                requests: tickets.len() as u64,
                since: entry.since.elapsed(),
            }));
            last = Some(*ticket);
            if found.len() == max {
                break;
            }
        }
        (found, last.filter(|last| self.by_ticket.range(last + 1..).next().is_some()))
    }

    /// Number of waiting requests.
    pub(crate) fn len(&self) -> usize {
        self.by_ticket.len()
    }

    /// How many requests wait, for how many objects, and since when.
    pub(crate) fn totals(&self) -> WaitTotals {
        let oldest = self.by_ticket.first_key_value().map(|(_, entry)| entry.since.elapsed().as_secs());
        WaitTotals {
            requests: self.by_ticket.len() as u64,
            objects: self.by_id.len() as u64,
            oldest_seconds: oldest.unwrap_or(0),
        }
    }
}

/// Removes tickets, all of which are in the set of `key`, from that set.
fn remove_all<K: Hash + Eq>(
    sets: &mut HashMap<K, BTreeSet<u64>>,
    key: &K,
    tickets: impl ExactSizeIterator<Item = u64>,
) {
    let Some(set) = sets.get_mut(key) else { return };
    if set.len() == tickets.len() {
        sets.remove(key);
    } else {
        for ticket in tickets {
            set.remove(&ticket);
        }
    }
}

/// Gives back the memory of a map that was much larger.
fn shrink<K: Hash + Eq, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > KEPT_CAPACITY && map.len() < map.capacity() / 8 {
        map.shrink_to(2 * map.len());
    }
}

/// Maps up to this size keep their memory.
const KEPT_CAPACITY: usize = 4096;

/// Requests that are looked at for a page of awaited objects: the queue is locked meanwhile.
const VISITED_MAX: usize = 10_000;

/// An object that requests wait for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    /// The ticket of the oldest request that waits for it.
    pub(crate) ticket: u64,
    pub(crate) id: ObjectId,
    /// Requests that wait for it.
    pub(crate) requests: u64,
    /// For how long the oldest of them has waited.
    pub(crate) since: Duration,
}

/// What [`WaitQueue::awaited`] says of several queues that number their requests together, as if they were one.
pub(crate) fn merge_awaited(
    pages: impl IntoIterator<Item = (Vec<Awaited>, Option<u64>)>,
    max: usize,
) -> (Vec<Awaited>, Option<u64>) {
    let (mut found, mut end) = (Vec::new(), None::<u64>);
    for (page, next) in pages {
        found.extend(page);
        end = end.into_iter().chain(next).min();
    }
    // Behind the end of a page there may be more of its queue.
    found.retain(|one: &Awaited| end.is_none_or(|end| one.ticket <= end));
    found.sort_unstable_by_key(|one| one.ticket);
    if found.len() > max {
        found.truncate(max);
        end = found.last().map(|last| last.ticket);
    }
    (found, end)
}

/// How many requests wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct WaitTotals {
    /// Requests that wait.
    pub requests: u64,
    /// Objects that they wait for.
    pub objects: u64,
    /// Age of the oldest waiting request, in seconds.
    pub oldest_seconds: u64,
}

impl WaitTotals {
    /// Those of two queues.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            objects: self.objects + other.objects,
            oldest_seconds: self.oldest_seconds.max(other.oldest_seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ObjectId {
        ObjectId::new(&[n]).unwrap()
    }

    #[test]
    fn requests_are_taken_in_the_order_they_came() {
        let mut queue = WaitQueue::default();
        for (object, name) in [(1, "a"), (2, "b"), (1, "c")] {
            queue.add(id(object), 0, name);
        }
        assert_eq!(queue.totals(), WaitTotals { requests: 3, objects: 2, oldest_seconds: 0 });
        assert_eq!(queue.take(&id(1)), ["a", "c"]);
        assert_eq!(queue.take(&id(1)), [""; 0]);
        assert_eq!(queue.take(&id(2)), ["b"]);
        assert!(queue.by_owner.is_empty());
    }

    #[test]
    fn awaited_objects_are_listed_once_each_the_oldest_first() {
        let mut queue = WaitQueue::default();
        for (object, name) in [(1, "a"), (2, "b"), (1, "c"), (3, "d")] {
            queue.add(id(object), 0, name);
        }
        let page = |after, max| {
            let (page, next) = queue.awaited(after, max);
            (page.into_iter().map(|one| (one.id, one.requests)).collect::<Vec<_>>(), next)
        };
        assert_eq!(page(0, 2), (vec![(id(1), 2), (id(2), 1)], Some(2)));
        assert_eq!(page(2, 2), (vec![(id(3), 1)], None));
    }

    #[test]
    fn queues_that_number_together_are_listed_as_if_they_were_one() {
        let tickets = Arc::<AtomicU64>::default();
        let [mut even, mut odd] = [(); 2].map(|()| WaitQueue::with_tickets(Arc::clone(&tickets)));
        for n in 0..7 {
            if n % 2 == 0 { even.add(id(n), 0, ()) } else { odd.add(id(n), 0, ()) }
        }
        let (mut listed, mut after, mut pages) = (Vec::new(), 0, 0);
        loop {
            let (page, next) = merge_awaited([even.awaited(after, 3), odd.awaited(after, 3)], 3);
            assert!(page.len() <= 3);
            listed.extend(page.into_iter().map(|one| one.id));
            pages += 1;
            match next {
                Some(next) => after = next,
                None => break,
            }
        }
        assert_eq!((listed, pages), (Vec::from_iter((0..7).map(id)), 3));
    }

    #[test]
    fn a_client_that_has_gone_leaves_no_waiting_request() {
        let mut queue = WaitQueue::default();
        queue.add(id(1), 7, "gone");
        queue.add(id(1), 8, "stays");
        queue.add(id(2), 7, "gone");
        assert_eq!(queue.take_owner(7).len(), 2);
        assert_eq!(queue.totals().objects, 1);
        assert_eq!(queue.take(&id(1)), ["stays"]);
        assert_eq!(queue.totals(), WaitTotals::default());
        assert!(queue.by_ticket.is_empty() && queue.by_owner.is_empty());
    }

    #[test]
    fn one_request_can_be_taken_by_its_ticket() {
        let mut queue = WaitQueue::default();
        let (first, second) = (queue.next_ticket(), queue.next_ticket());
        queue.add_with_ticket(second, id(1), 7, "second");
        queue.add_with_ticket(first, id(1), 7, "first");
        let taken = queue.take_one(first).map(|taken| (taken.ticket, taken.id, taken.waiter));
        assert_eq!(taken, Some((first, id(1), "first")));
        assert!(queue.take_one(first).is_none());
        assert_eq!(queue.after(0).collect::<Vec<_>>(), [(second, &id(1), &"second")]);
        assert_eq!(queue.take(&id(1)), ["second"]);
        assert!(queue.take_one(second).is_none());
    }
}
