//! Ids whose set was refused: who asks for one is told, for a time, instead of waiting for an object that never comes.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::id::ObjectId;

/// How long an id is remembered, in Redis too (`redis/script/arguments.lua`).
const TTL: Duration = Duration::from_secs(600);
/// Ids that are remembered at most.
const MAX: usize = 10_000;

/// The ids that were refused last.
#[derive(Default)]
pub(crate) struct RefusedIds {
    since: HashMap<ObjectId, Instant>,
    /// Oldest first. An entry whose time is not the id's in `since` is out of date.
    order: VecDeque<(Instant, ObjectId)>,
}

impl RefusedIds {
    pub(crate) fn add(&mut self, id: ObjectId) {
        let now = Instant::now();
        self.since.insert(id.clone(), now);
        self.order.push_back((now, id));
        while let Some((since, _)) = self.order.front()
            && (self.order.len() > MAX || now.duration_since(*since) >= TTL)
        {
            let Some((since, oldest)) = self.order.pop_front() else { break };
            if self.since.get(&oldest) == Some(&since) {
                self.since.remove(&oldest);
            }
        }
    }

    /// The object has been stored after all.
    pub(crate) fn remove(&mut self, id: &ObjectId) {
        // Most stores refuse nothing: the check spares a lookup.
        if !self.since.is_empty() {
            self.since.remove(id);
        }
    }

    pub(crate) fn contains(&self, id: &ObjectId) -> bool {
        self.since.get(id).is_some_and(|since| since.elapsed() < TTL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> ObjectId {
        ObjectId::new(&n.to_be_bytes()).unwrap()
    }

    #[test]
    fn an_id_is_refused_until_it_is_stored_or_many_others_were_refused() {
        let mut refused = RefusedIds::default();
        refused.add(id(1));
        assert!(refused.contains(&id(1)) && !refused.contains(&id(2)));
        refused.remove(&id(1));
        assert!(!refused.contains(&id(1)));
        refused.add(id(1));
        (2..=MAX as u32).for_each(|n| refused.add(id(n)));
        assert_eq!((refused.since.len(), refused.order.len()), (MAX, MAX));
        refused.add(id(0));
        assert!(!refused.contains(&id(1)) && refused.contains(&id(2)) && refused.contains(&id(0)));
    }
}
