//! From a run's hash to the frame that its viewers get.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::rules::Rules;
use crate::run::RunHash;

impl Rules {
    /// The frame for a run: `{"type":"preflight","checklist":{…},"lock_statuses":{…},"last_modified":…}`. Equal answers
    /// are equal texts, so that an unchanged one is recognised.
    pub fn frame(&self, run: &RunHash) -> String {
        let answer = Answer {
            kind: "preflight",
            checklist: Flags(
                self.checklist.iter().map(|(entry, check)| (entry.as_str(), check.holds(run))).collect(),
            ),
            lock_statuses: Flags(self.locks(run)),
            last_modified: last_modified(run),
        };
        // Text keys, flags and a number: there is nothing in it that JSON cannot say.
        serde_json::to_string(&answer).unwrap_or_default()
    }

    /// The locks that are always sent, in their order, then those that the run has beside them, by name.
    fn locks<'a>(&'a self, run: &'a RunHash) -> Vec<(&'a str, bool)> {
        let always =
            self.lock_statuses.iter().map(|name| (name.as_str(), run.is_true(&format!("{LOCKED}{name}"))));
        let mut further: Vec<(&str, bool)> = run
            .with_prefix(LOCKED)
            .filter(|(name, _)| !name.is_empty() && !self.lock_statuses.iter().any(|always| always == name))
            .map(|(name, value)| (name, value == "true"))
            .collect();
        further.sort_unstable();
        always.chain(further).collect()
    }
}

const LOCKED: &str = "locked:";

/// Epoch seconds: the run's own `last_modified`, else its newest timestamp.
fn last_modified(run: &RunHash) -> Option<i128> {
    let newest =
        || run.with_prefix("timestamps:").filter_map(|(_, value)| crate::run::whole_number(value)).max();
    run.whole_number("last_modified").or_else(newest)
}

#[derive(serde::Serialize)]
struct Answer<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    checklist: Flags<'a>,
    lock_statuses: Flags<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified: Option<i128>,
}

/// A JSON object of flags, in the order of the list.
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
mod tests {
    use super::*;

    fn frame(fields: &[(&str, &str)]) -> String {
        Rules::load("weppcloud2").unwrap().frame(&fields.iter().copied().collect())
    }

    #[test]
    fn the_literal_example_of_the_contract_gives_the_literal_frame() {
        let fields = [
            ("attrs:loaded", "true"),
            ("attrs:has_sbs", "false"),
            ("timestamps:landuse_map", "1712535018"),
            ("timestamps:build_channels", "1712028840"),
            ("timestamps:set_outlet", "1712515206"),
            ("timestamps:abstract_watershed", "1712515226"),
            ("timestamps:build_landuse", "1712535023"),
            ("timestamps:build_soils", "1712535083"),
            ("timestamps:build_climate", "1712515667"),
            ("timestamps:run_wepp", "1714168234"),
        ];
        assert_eq!(
            frame(&fields),
            r#"{"type":"preflight","checklist":{"sbs_map":false,"channels":true,"outlet":true,"subcatchments":true,"landuse":true,"soils":true,"climate":true,"rap_ts":false,"wepp":true,"observed":false,"debris":false,"watar":false,"dss_export":false},"lock_statuses":{"watershed":false,"climate":false,"wepp":false,"soils":false,"landuse":false,"disturbed":false},"last_modified":1714168234}"#
        );
    }

    #[test]
    fn a_run_that_does_not_exist_is_all_false_and_was_never_modified() {
        let empty = frame(&[]);
        assert!(!empty.contains("true") && !empty.contains("last_modified"), "{empty}");
        assert!(empty.contains(r#""lock_statuses":{"watershed":false"#));
    }

    #[test]
    fn locks_beyond_the_six_follow_by_name_and_only_the_word_true_locks() {
        let fields = [
            ("locked:rhem", "true"),
            ("locked:ash.nodb", "false"),
            ("locked:wepp", "true"),
            ("locked:soils", "True"),
            ("locked:", "true"),
        ];
        assert!(frame(&fields).ends_with(
            r#""wepp":true,"soils":false,"landuse":false,"disturbed":false,"ash.nodb":false,"rhem":true}}"#
        ));
    }

    #[test]
    fn last_modified_is_the_field_or_the_newest_timestamp() {
        let own = [("last_modified", "7"), ("timestamps:a", "9")];
        assert!(frame(&own).ends_with(r#","last_modified":7}"#));
        let broken = [
            ("last_modified", "yesterday"),
            ("timestamps:a", "9"),
            ("timestamps:b", "11"),
            ("timestamps:c", "x"),
        ];
        assert!(frame(&broken).ends_with(r#","last_modified":11}"#));
    }
}
