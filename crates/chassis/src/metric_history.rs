//! The metrics of the last hour, so that a page has its plots when it is opened.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value, json};

/// What the samples of the last hour say, one sample every [`INTERVAL_MS`]. Buckets of histograms are not kept.
#[derive(Default)]
pub(crate) struct MetricHistory {
    /// When the samples were taken, in ms since 1970, the oldest first.
    times: VecDeque<u64>,
    /// By the name and labels of a series its values at the last of the times; NaN where there was none.
    series: BTreeMap<String, VecDeque<f64>>,
}

impl MetricHistory {
    /// Adds what the metrics are at a time, in Prometheus' text format.
    pub(crate) fn add(&mut self, time_ms: u64, text: &str) {
        if self.times.back().is_some_and(|last| *last > time_ms) {
            // The clock was set back: nothing is known of these times.
            *self = Self::default();
        }
        self.times.retain(|time| *time + KEPT_MS > time_ms);
        self.times.push_back(time_ms);
        for values in self.series.values_mut() {
            values.push_back(f64::NAN);
        }
        for (name, value) in text.lines().filter_map(parse_series) {
            if let Some(last) = self.series.get_mut(name).and_then(VecDeque::back_mut) {
                *last = value;
            } else if self.series.len() < SERIES_MAX {
                self.series.insert(name.to_owned(), VecDeque::from([value]));
            }
        }
        self.series.retain(|_, values| {
            values.drain(..values.len().saturating_sub(self.times.len()));
            !values.iter().all(|value| value.is_nan())
        });
    }

    /// `{"times":[…],"series":{…}}` with these metrics, or all. The values of a series belong to the last of the times; `null`
    /// is where there was none.
    pub(crate) fn to_json(&self, names: Option<&[&str]>) -> Value {
        let is_wanted = |series: &str| {
            let name = series.split('{').next().unwrap_or_default();
            names.is_none_or(|names| names.contains(&name))
        };
        let series = self.series.iter().filter(|(series, _)| is_wanted(series));
        let series: Map<_, _> = series.map(|(name, values)| (name.clone(), json!(values))).collect();
        json!({"times": self.times, "series": series})
    }
}

/// The name with its labels, and the value, of a line.
fn parse_series(line: &str) -> Option<(&str, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let is_bucket = series.split('{').next()?.ends_with("_bucket");
    if line.starts_with('#') || is_bucket { None } else { Some((series, value.parse().ok()?)) }
}

/// The time between two samples. They are taken at its multiples, so that those of several instances fit together.
pub(crate) const INTERVAL_MS: u64 = 10_000;
const KEPT_MS: u64 = 3_600_000;
/// 3 MB of values. Of metrics beyond that there is no history.
const SERIES_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn history(samples: &[(u64, &str)]) -> MetricHistory {
        let mut history = MetricHistory::default();
        for (time, text) in samples {
            history.add(*time, text);
        }
        history
    }

    #[test]
    fn it_has_the_values_of_each_series_by_time_without_buckets() {
        let first =
            "# HELP a_total x 1\n# TYPE a_total counter\na_total 1\nh_bucket{le=\"1\"} 1\nh_sum 0.5\n";
        let history =
            history(&[(10, first), (20, "a_total 2\nlag{p=\"0\",t=\"a b\"} 7\n"), (30, "a_total 3\n")]);
        let series = json!({"a_total": [1.0, 2.0, 3.0], "h_sum": [0.5, null, null], "lag{p=\"0\",t=\"a b\"}": [7.0, null]});
        assert_eq!(history.to_json(None), json!({"times": [10, 20, 30], "series": series}));
        let wanted = history.to_json(Some(&["lag", "h"]));
        assert_eq!(wanted["series"], json!({"lag{p=\"0\",t=\"a b\"}": [7.0, null]}));
    }

    #[test]
    fn it_forgets_what_is_older_than_an_hour_and_series_that_are_gone() {
        let mut history = MetricHistory::default();
        history.add(0, "gone 1\na 0");
        for sample in 1..=1000 {
            history.add(sample * INTERVAL_MS, &format!("a {sample}"));
        }
        assert_eq!((history.times.len(), history.series.len()), (360, 1));
        assert_eq!((history.times[0], history.series["a"][0]), (641 * INTERVAL_MS, 641.0));
        assert_eq!(history.series["a"].len(), 360);
    }

    #[test]
    fn it_keeps_a_bounded_number_of_series() {
        let text: String = (0..2 * SERIES_MAX).map(|number| format!("a{number} 1\n")).collect();
        assert_eq!(history(&[(1, &text), (2, &text)]).series.len(), SERIES_MAX);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_a_new_history() {
        assert_eq!(
            history(&[(20, "a 1"), (10, "a 2")]).to_json(None),
            json!({"times": [10], "series": {"a": [2.0]}})
        );
    }
}
