//! From a run's hash to the message that its viewers are sent.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::rules::Rules;
use crate::run_hash::{RunHash, parse_whole_number};

impl Rules {
    /// The message for a run: `{"type":"preflight","checklist":{…},"lock_statuses":{…},"last_modified":…}`.
    /// The order of its parts is fixed, so that a comparison of two texts shows whether anything has changed.
    pub fn checklist_message(&self, run: &RunHash) -> String {
        let checklist = self.checklist.iter().map(|(entry, check)| (entry.as_str(), check.is_true_for(run)));
        let message = ChecklistMessage {
            kind: "preflight",
            checklist: Flags(checklist.collect()),
            lock_statuses: Flags(self.lock_statuses(run)),
            last_modified: last_modified(run),
        };
        // It cannot fail: JSON can express string keys, booleans and an integer.
        serde_json::to_string(&message).unwrap_or_default()
    }

    /// The locks that are always sent, in their order, then the run's other locks, by name.
    fn lock_statuses<'a>(&'a self, run: &'a RunHash) -> Vec<(&'a str, bool)> {
        let always = self
            .lock_statuses
            .iter()
            .map(|name| (name.as_str(), run.is_true(&format!("{LOCK_PREFIX}{name}"))));
        let mut others: Vec<(&str, bool)> = run
            .with_prefix(LOCK_PREFIX)
            .filter(|(name, _)| !name.is_empty() && !self.lock_statuses.iter().any(|always| always == name))
            .map(|(name, value)| (name, value == "true"))
            .collect();
        others.sort_unstable();
        always.chain(others).collect()
    }
}

const LOCK_PREFIX: &str = "locked:";

/// Epoch seconds: the field `last_modified`, or else the newest timestamp.
pub(crate) fn last_modified(run: &RunHash) -> Option<i128> {
    let newest = || run.with_prefix("timestamps:").filter_map(|(_, value)| parse_whole_number(value)).max();
    run.whole_number("last_modified").or_else(newest)
}

#[derive(serde::Serialize)]
struct ChecklistMessage<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    checklist: Flags<'a>,
    lock_statuses: Flags<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified: Option<i128>,
}

/// A JSON object of booleans, in the order of the list.
struct Flags<'a>(Vec<(&'a str, bool)>);

impl Serialize for Flags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for (name, flag) in &self.0 {
            object.serialize_entry(name, flag)?;
        }
        object.end()
    }
}

#[cfg(test)]
mod tests;
