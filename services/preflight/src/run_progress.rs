//! How far a run is.

use serde::Serialize;

use crate::checklist::last_modified;
use crate::rules::Rules;
use crate::run_hash::RunHash;

/// How far a run is, for a list of runs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RunProgress {
    /// How many steps are done and still current.
    current: usize,
    /// How many there are.
    steps: usize,
    /// Epoch seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_modified: Option<i128>,
}

impl Rules {
    /// How far a run is. `None` for a hash that has none of a run's fields, and so is something else.
    pub(crate) fn progress(&self, run: &RunHash) -> Option<RunProgress> {
        let is_run = RUN_FIELDS.iter().any(|prefix| run.with_prefix(prefix).next().is_some());
        is_run.then(|| RunProgress {
            current: self.checklist.iter().filter(|(_, check)| check.is_true_for(run)).count(),
            steps: self.checklist.len(),
            last_modified: last_modified(run),
        })
    }
}

const RUN_FIELDS: [&str; 3] = ["timestamps:", "attrs:", "locked:"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_with_a_field_of_a_run_is_one_and_its_current_steps_are_counted() {
        let rules = Rules::load("weppcloud2").unwrap();
        let progress = |fields: &[(&str, &str)]| rules.progress(&fields.iter().copied().collect());
        assert_eq!(progress(&[]), None);
        assert_eq!(progress(&[("soc", "1.5"), ("last_modified", "7")]), None);
        let locked = RunProgress { current: 0, steps: 13, last_modified: None };
        assert_eq!(progress(&[("locked:wepp", "false")]), Some(locked));
        let begun = [("timestamps:build_channels", "4"), ("timestamps:set_outlet", "5")];
        assert_eq!(progress(&begun), Some(RunProgress { current: 2, steps: 13, last_modified: Some(5) }));
    }
}
