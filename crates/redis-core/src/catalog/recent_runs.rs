//! The runs that changed last.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::Serialize;

use crate::id::RunId;

/// The runs that changed last, of all that were given. At most [`CAPACITY`](Self::CAPACITY) are kept.
#[derive(Debug)]
pub struct RecentRuns<T>(HashMap<RunId, RunEntry<T>>);

/// A run in a list.
#[derive(Debug)]
pub struct RunEntry<T> {
    /// When it changed last, in epoch seconds.
    pub changed_at: Option<i128>,
    /// What is listed of it.
    pub about: T,
}

impl<T> Default for RecentRuns<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> RecentRuns<T> {
    /// The most runs.
    pub const CAPACITY: usize = 500;

    /// The ids, in no order.
    pub fn ids(&self) -> Vec<RunId> {
        self.0.keys().cloned().collect()
    }

    /// Takes what a run is now; `None` if it is none any more.
    pub fn set(&mut self, run: RunId, entry: Option<RunEntry<T>>) {
        match entry {
            Some(entry) => self.0.insert(run, entry),
            None => self.0.remove(&run),
        };
        // Not at each one, because it sorts.
        if self.0.len() >= 2 * Self::CAPACITY {
            self.forget_oldest();
        }
    }

    /// Forgets those above the capacity that changed longest ago.
    pub fn forget_oldest(&mut self) {
        let old = self.newest_first().into_iter().skip(Self::CAPACITY);
        let old: Vec<RunId> = old.map(|(run, _)| run.clone()).collect();
        for run in old {
            self.0.remove(&run);
        }
    }

    /// Those that changed last come first. Those of the same second are in the order of their ids.
    fn newest_first(&self) -> Vec<(&RunId, &T)> {
        let mut runs: Vec<_> = self.0.iter().collect();
        runs.sort_unstable_by_key(|(run, entry)| (Reverse(entry.changed_at), *run));
        runs.into_iter().map(|(run, entry)| (run, &entry.about)).collect()
    }
}

/// A list of runs: `{"runs":[{"run":"…",…}],"complete":true}`.
#[derive(Serialize)]
pub struct RunList<'a, T> {
    runs: Vec<ListedRun<'a, T>>,
    /// Whether all keys were looked at.
    complete: bool,
    /// Why some could not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<&'a str>,
}

#[derive(Serialize)]
struct ListedRun<'a, T> {
    run: &'a str,
    #[serde(flatten)]
    about: &'a T,
}

impl<'a, T> RunList<'a, T> {
    /// All runs, those that changed last first.
    pub fn new(runs: &'a RecentRuns<T>, complete: bool, problem: Option<&'a str>) -> Self {
        let runs = runs.newest_first().into_iter().map(|(run, about)| ListedRun { run: run.as_str(), about });
        Self { runs: runs.collect(), complete, problem }
    }

    /// Those of them whose id contains `search`, and which `shows` says, up to `limit`.
    #[must_use]
    pub fn only(&self, search: &str, limit: usize, shows: impl Fn(&str) -> bool) -> Self {
        let is_wanted = |run: &&ListedRun<'a, T>| run.run.contains(search) && shows(run.run);
        let wanted = self.runs.iter().filter(is_wanted).take(limit);
        let runs = wanted.map(|listed| ListedRun { run: listed.run, about: listed.about }).collect();
        Self { runs, ..*self }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: i128) -> RunId {
        RunId::parse(format!("run-{number}")).unwrap()
    }

    #[test]
    fn the_runs_that_changed_last_are_kept_and_come_first() {
        let capacity = RecentRuns::<()>::CAPACITY as i128;
        let mut runs = RecentRuns::default();
        for number in 0..3 * capacity {
            runs.set(id(number), Some(RunEntry { changed_at: Some(number), about: () }));
        }
        runs.set(id(7), None);
        runs.set(id(0), Some(RunEntry { changed_at: None, about: () }));
        runs.forget_oldest();
        let newest: Vec<RunId> = runs.newest_first().into_iter().map(|(run, _)| run.clone()).collect();
        assert_eq!(newest, (2 * capacity..3 * capacity).rev().map(id).collect::<Vec<_>>());
        runs.set(id(3 * capacity - 1), None);
        assert_eq!(runs.newest_first()[0].0, &id(3 * capacity - 2));
    }

    #[test]
    fn a_list_has_what_is_searched_and_may_be_shown() {
        #[derive(Serialize)]
        struct About {
            steps: usize,
        }
        let mut runs = RecentRuns::default();
        for number in 8..=12 {
            runs.set(id(number), Some(RunEntry { changed_at: Some(number), about: About { steps: 3 } }));
        }
        let list = RunList::new(&runs, false, None).only("run-1", 1, |run| run != "run-12");
        let text = serde_json::to_string(&list).unwrap();
        assert_eq!(text, r#"{"runs":[{"run":"run-11","steps":3}],"complete":false}"#);
        assert!(RunList::new(&runs, true, None).only("x", 9, |_| true).is_empty());
    }
}
