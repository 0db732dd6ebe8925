//! Why the entries of a run's checklist are as they are: when each step was done, and what keeps it from being current.

use serde::Serialize;

use crate::check::{Check, Time, TimeValue};
use crate::checklist::last_modified;
use crate::rules::Rules;
use crate::run_hash::RunHash;

/// A run's checklist with its reasons.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation<'a> {
    run: &'a str,
    /// Epoch seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified: Option<i128>,
    steps: Vec<Step<'a>>,
}

#[derive(Debug, Serialize)]
struct Step<'a> {
    step: &'a str,
    /// As in the checklist.
    current: bool,
    /// When it was done last, in epoch seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    done_at: Option<i128>,
    /// Empty if it is current.
    obstacles: Vec<Obstacle<'a>>,
}

/// A field because of which a step is not current.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Obstacle<'a> {
    field: &'a str,
    problem: Problem,
    /// That of the newer one, in epoch seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<i128>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Problem {
    /// It is absent or empty.
    Missing,
    /// It should be a time.
    NotANumber,
    NotTrue,
    /// It is not older than the step, which must be done again.
    Newer,
}

impl Rules {
    /// Why the run's checklist is as it is.
    pub(crate) fn explain<'a>(&'a self, run: &'a str, hash: &RunHash) -> Explanation<'a> {
        let steps = self.checklist.iter().map(|(step, check)| Step {
            step,
            current: check.is_true_for(hash),
            done_at: check.done_at(hash),
            obstacles: check.obstacles(hash),
        });
        Explanation { run, last_modified: last_modified(hash), steps: steps.collect() }
    }
}

impl Check {
    /// When what it is about was done last, whatever has changed since then.
    fn done_at(&self, run: &RunHash) -> Option<i128> {
        match self {
            Self::Present(field) | Self::NotEmpty(field) => run.whole_number(field),
            Self::IsTrue(_) => None,
            Self::Newer { time, .. } => time.evaluate(run).seconds(),
            Self::All(checks) | Self::Any(checks) => checks.iter().find_map(|check| check.done_at(run)),
        }
    }

    /// Each field once, in the order of the rule.
    fn obstacles(&self, run: &RunHash) -> Vec<Obstacle<'_>> {
        if self.is_true_for(run) {
            return Vec::new();
        }
        match self {
            Self::Present(field) | Self::NotEmpty(field) => vec![Obstacle::new(field, Problem::Missing)],
            Self::IsTrue(field) => vec![Obstacle::new(field, Problem::NotTrue)],
            Self::Newer { time, than } => match Obstacle::of(time.evaluate(run), None) {
                Some(own) => vec![own],
                None => {
                    let own = time.evaluate(run).seconds();
                    than.iter().filter_map(|other| Obstacle::of(other.evaluate(run), own)).collect()
                }
            },
            Self::All(checks) | Self::Any(checks) => {
                let mut obstacles = Vec::new();
                for obstacle in checks.iter().flat_map(|check| check.obstacles(run)) {
                    if !obstacles.contains(&obstacle) {
                        obstacles.push(obstacle);
                    }
                }
                obstacles
            }
        }
    }
}

impl<'a> Obstacle<'a> {
    fn new(field: &'a str, problem: Problem) -> Self {
        Self { field, problem, time: None }
    }

    /// What is wrong with a time; with `own` also that it is not older than that.
    fn of(time: Time<'a>, own: Option<i128>) -> Option<Self> {
        match time.value {
            TimeValue::Missing => Some(Self::new(time.field, Problem::Missing)),
            TimeValue::NotANumber => Some(Self::new(time.field, Problem::NotANumber)),
            TimeValue::Seconds(seconds) => own
                .is_some_and(|own| seconds >= own)
                .then(|| Self { time: Some(seconds), ..Self::new(time.field, Problem::Newer) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::Rules;

    /// The step, without its name, of a run with these timestamps.
    fn explain(rules: &str, step: &str, times: &[(&str, &str)]) -> String {
        let hash = times.iter().map(|(name, time)| (format!("timestamps:{name}"), *time)).collect();
        let rules = Rules::load(rules).unwrap();
        let explanation = serde_json::to_value(rules.explain("run", &hash)).unwrap();
        let steps = explanation["steps"].as_array().unwrap();
        let mut found = steps.iter().find(|found| found["step"] == step).unwrap().clone();
        found.as_object_mut().unwrap().remove("step");
        found.to_string()
    }

    #[test]
    fn a_step_is_explained_by_what_is_missing_and_by_what_is_newer() {
        let built = [("abstract_watershed", "5"), ("build_landuse", "9"), ("build_climate", "6")];
        let with = |more: &[(&'static str, &'static str)]| [&built, more].concat();
        for (step, times, expected) in [
            ("landuse", with(&[]), r#"{"current":true,"done_at":9,"obstacles":[]}"#),
            (
                "soils",
                with(&[("build_soils", "7")]),
                r#"{"current":false,"done_at":7,"obstacles":[{"field":"timestamps:build_landuse","problem":"newer","time":9}]}"#,
            ),
            // Of the same second is not newer.
            (
                "climate",
                vec![("abstract_watershed", "5"), ("build_climate", "5")],
                r#"{"current":false,"done_at":5,"obstacles":[{"field":"timestamps:abstract_watershed","problem":"newer","time":5}]}"#,
            ),
            (
                "wepp",
                with(&[("run_wepp", "8")]),
                r#"{"current":false,"done_at":8,"obstacles":[{"field":"timestamps:build_landuse","problem":"newer","time":9},{"field":"timestamps:build_soils","problem":"missing"}]}"#,
            ),
            (
                "wepp",
                with(&[("run_wepp", "soon")]),
                r#"{"current":false,"obstacles":[{"field":"timestamps:run_wepp","problem":"not-a-number"}]}"#,
            ),
            (
                "sbs_map",
                vec![],
                r#"{"current":false,"obstacles":[{"field":"attrs:has_sbs","problem":"not-true"}]}"#,
            ),
        ] {
            assert_eq!(explain("weppcloud2", step, &times), expected, "{step} {times:?}");
        }
    }

    #[test]
    fn a_time_of_several_is_named_by_the_field_that_decides() {
        for (step, times, expected) in [
            (
                "outlet",
                vec![("set_outlet", "1"), ("find_outlet", "3"), ("build_channels", "4")],
                r#"{"current":false,"done_at":3,"obstacles":[{"field":"timestamps:build_channels","problem":"newer","time":4}]}"#,
            ),
            (
                "omni_scenarios",
                vec![("run_omni_scenarios", "2"), ("run_wepp", "9"), ("run_wepp_watershed", "3")],
                r#"{"current":false,"done_at":2,"obstacles":[{"field":"timestamps:run_wepp_watershed","problem":"newer","time":3}]}"#,
            ),
            (
                "outlet",
                vec![("build_channels", "4")],
                r#"{"current":false,"obstacles":[{"field":"timestamps:set_outlet","problem":"missing"}]}"#,
            ),
            // Each field once.
            (
                "soils",
                vec![],
                r#"{"current":false,"obstacles":[{"field":"timestamps:build_soils","problem":"missing"}]}"#,
            ),
        ] {
            assert_eq!(explain("wepppy", step, &times), expected, "{step} {times:?}");
        }
    }
}
