//! Who waits for what: requests about objects that do not exist yet, in the order they came.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

use crate::id::ObjectId;

/// Requests that wait, by object and by the client that owns them.
pub(crate) struct Waits<W> {
    /// Boxed: a tree moves its values about as others go.
    by_number: BTreeMap<u64, Box<Waiting<W>>>,
    by_id: HashMap<ObjectId, BTreeSet<u64>>,
    by_owner: HashMap<u64, BTreeSet<u64>>,
    next: u64,
}

struct Waiting<W> {
    id: ObjectId,
    owner: u64,
    since: Instant,
    what: W,
}

impl<W> Default for Waits<W> {
    fn default() -> Self {
        Self { by_number: BTreeMap::new(), by_id: HashMap::new(), by_owner: HashMap::new(), next: 0 }
    }
}

impl<W> Waits<W> {
    /// Notes that `what` waits for `id`.
    pub(crate) fn add(&mut self, id: ObjectId, owner: u64, what: W) {
        let number = self.reserve();
        self.add_as(number, id, owner, what);
    }

    /// A number for a request that may come to wait.
    pub(crate) fn reserve(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// As [`Waits::add`], with a number that was reserved for it.
    pub(crate) fn add_as(&mut self, number: u64, id: ObjectId, owner: u64, what: W) {
        self.by_id.entry(id.clone()).or_default().insert(number);
        self.by_owner.entry(owner).or_default().insert(number);
        let waiting = Waiting { id, owner, since: Instant::now(), what };
        self.by_number.insert(number, Box::new(waiting));
    }

    /// Takes what waits for `id`, oldest first.
    pub(crate) fn take(&mut self, id: &ObjectId) -> Vec<W> {
        let numbers = self.by_id.get(id).cloned().unwrap_or_default();
        self.take_each(numbers).into_iter().map(|(_, _, what)| what).collect()
    }

    /// Takes one request, if it still waits, and what it waits for.
    pub(crate) fn take_one(&mut self, number: u64) -> Option<(ObjectId, W)> {
        self.take_each([number]).pop().map(|(_, id, what)| (id, what))
    }

    /// Takes all that `owner` waits for, with the numbers and what they wait for.
    pub(crate) fn forget(&mut self, owner: u64) -> Vec<(u64, ObjectId, W)> {
        let numbers = self.by_owner.get(&owner).cloned().unwrap_or_default();
        self.take_each(numbers)
    }

    /// Takes those of these requests that still wait, with the numbers and what they wait for.
    pub(crate) fn take_each(&mut self, numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, ObjectId, W)> {
        let taken = numbers.into_iter().filter_map(|number| Some((number, self.by_number.remove(&number)?)));
        let taken: Vec<_> = taken.collect();
        // Thousands may wait for one object: they are let go of together.
        for same in taken.chunk_by(|(_, one), (_, other)| one.id == other.id) {
            remove_all(&mut self.by_id, &same[0].1.id, same.iter().map(|(number, _)| *number));
        }
        for same in taken.chunk_by(|(_, one), (_, other)| one.owner == other.owner) {
            remove_all(&mut self.by_owner, &same[0].1.owner, same.iter().map(|(number, _)| *number));
        }
        taken.into_iter().map(|(number, waiting)| (number, waiting.id, waiting.what)).collect()
    }

    /// How many requests `owner` has waiting.
    pub(crate) fn of(&self, owner: u64) -> usize {
        self.by_owner.get(&owner).map_or(0, BTreeSet::len)
    }

    /// True if something waits for `id`.
    pub(crate) fn has(&self, id: &ObjectId) -> bool {
        self.by_id.contains_key(id)
    }

    /// What waits beyond this number, in order: number, object and request.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = (u64, &ObjectId, &W)> {
        let later = self.by_number.range(number + 1..);
        later.map(|(number, waiting)| (*number, &waiting.id, &waiting.what))
    }

    /// How many requests wait.
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// How much waits, and since when.
    pub(crate) fn totals(&self) -> Waiters {
        let oldest = self.by_number.first_key_value().map(|(_, waiting)| waiting.since.elapsed().as_secs());
        Waiters {
            requests: self.by_number.len() as u64,
            objects: self.by_id.len() as u64,
            oldest_seconds: oldest.unwrap_or(0),
        }
    }
}

/// Removes numbers, all of which are noted, from those that are noted under a key.
fn remove_all<K: Hash + Eq>(
    noted: &mut HashMap<K, BTreeSet<u64>>,
    key: &K,
    numbers: impl ExactSizeIterator<Item = u64>,
) {
    let Some(under_key) = noted.get_mut(key) else { return };
    if under_key.len() == numbers.len() {
        noted.remove(key);
    } else {
        for number in numbers {
            under_key.remove(&number);
        }
    }
}

/// How much waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Waiters {
    /// Requests that wait.
    pub requests: u64,
    /// Objects that they wait for.
    pub objects: u64,
    /// Age of the oldest of them, in seconds.
    pub oldest_seconds: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ObjectId {
        ObjectId::new(&[n]).unwrap()
    }

    #[test]
    fn requests_are_taken_in_the_order_they_came() {
        let mut waits = Waits::default();
        for (object, what) in [(1, "a"), (2, "b"), (1, "c")] {
            waits.add(id(object), 0, what);
        }
        assert_eq!(waits.totals(), Waiters { requests: 3, objects: 2, oldest_seconds: 0 });
        assert_eq!(waits.take(&id(1)), ["a", "c"]);
        assert_eq!(waits.take(&id(1)), [""; 0]);
        assert_eq!(waits.take(&id(2)), ["b"]);
        assert!(waits.by_owner.is_empty());
    }

    #[test]
    fn a_client_that_goes_leaves_nothing() {
        let mut waits = Waits::default();
        waits.add(id(1), 7, "gone");
        waits.add(id(1), 8, "stays");
        waits.add(id(2), 7, "gone");
        assert_eq!(waits.forget(7).len(), 2);
        assert_eq!(waits.totals().objects, 1);
        assert_eq!(waits.take(&id(1)), ["stays"]);
        assert_eq!(waits.totals(), Waiters::default());
        assert!(waits.by_number.is_empty() && waits.by_owner.is_empty());
    }

    #[test]
    fn one_request_can_be_taken_alone() {
        let mut waits = Waits::default();
        let (first, second) = (waits.reserve(), waits.reserve());
        waits.add_as(second, id(1), 7, "second");
        waits.add_as(first, id(1), 7, "first");
        assert_eq!(waits.take_one(first), Some((id(1), "first")));
        assert_eq!(waits.take_one(first), None);
        assert_eq!(waits.after(0).collect::<Vec<_>>(), [(second, &id(1), &"second")]);
        assert_eq!(waits.take(&id(1)), ["second"]);
        assert_eq!(waits.take_one(second), None);
    }
}
