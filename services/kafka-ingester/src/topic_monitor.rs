//! Watches the topics: whether they exist, for `/ready`; their ids, for the partition tasks; and which are in a pattern,
//! for the poll loop.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chassis::Gate;
use rdkafka::consumer::Consumer as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::kafka::{Consumer, TopicState, describe_topics, list_topics};
use crate::mappings::Mappings;
use crate::topic_selector::TopicSelector;

/// The id of each topic that exists; empty if the broker has no ids.
pub(crate) type TopicIds = HashMap<String, String>;

/// Checks the topics until `stopping`.
///
/// # Errors
/// If the runtime is shutting down.
pub(crate) async fn run(
    consumer: Arc<Consumer>,
    mappings: Mappings,
    gate: Gate,
    topic_ids: watch::Sender<TopicIds>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut failures = 0;
    loop {
        let described = describe(&consumer, &mappings).await?;
        let event_handler = consumer.client().context();
        let pause = match described {
            Ok(states) => {
                failures = 0;
                event_handler.clear_last_error();
                let missing = missing_topics(mappings.selectors(), &states);
                let existing = states.into_iter().filter_map(|(topic, state)| match state {
                    TopicState::Exists(id) => Some((topic, id)),
                    TopicState::Missing(_) => None,
                });
                topic_ids.send_replace(existing.collect());
                match missing {
                    None => gate.open(),
                    Some(missing) => gate.close(missing),
                }
                CHECK_INTERVAL
            }
            Err(reason) => {
                failures += 1;
                // A single failure, such as while a broker restarts, does not close the gate.
                if failures > 1 {
                    gate.close(event_handler.last_error().unwrap_or(reason));
                }
                RETRY_INTERVAL
            }
        };
        if stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Ok(());
        }
    }
}

/// The state of each topic that is named or in a pattern, or why no broker answered.
async fn describe(
    consumer: &Arc<Consumer>,
    mappings: &Mappings,
) -> anyhow::Result<Result<HashMap<String, TopicState>, String>> {
    let existing = if mappings.has_patterns() { list_topics(consumer).await? } else { Ok(Vec::new()) };
    let topics = match existing {
        Ok(existing) => mappings.topics(existing.iter().map(String::as_str)),
        Err(reason) => return Ok(Err(reason)),
    };
    if topics.is_empty() {
        return Ok(Ok(HashMap::new()));
    }
    describe_topics(consumer, topics.into_iter().collect()).await
}

/// Names the topics that cannot be read, with the reasons, and the patterns that have no topic.
fn missing_topics<'a>(
    selectors: impl Iterator<Item = &'a TopicSelector>,
    states: &HashMap<String, TopicState>,
) -> Option<String> {
    let missing = selectors.filter_map(|selector| match selector {
        TopicSelector::Name(topic) => match states.get(topic) {
            Some(TopicState::Exists(_)) => None,
            Some(TopicState::Missing(reason)) => Some(format!("topic {topic} {reason}")),
            None => Some(format!("topic {topic} was not described")),
        },
        TopicSelector::Pattern(..) => {
            let is_empty = !states.keys().any(|topic| selector.has(topic));
            is_empty.then(|| format!("no topic matches {selector}"))
        }
    });
    Some(missing.collect::<Vec<_>>().join(", ")).filter(|missing| !missing.is_empty())
}

const CHECK_INTERVAL: Duration = Duration::from_secs(3);
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_does_not_exist_is_named() {
        let states = HashMap::from([
            ("a".to_owned(), TopicState::Exists(String::new())),
            ("b".to_owned(), TopicState::Missing("does not exist".to_owned())),
        ]);
        let missing = |topics: &[&str]| {
            let selectors: Vec<TopicSelector> = topics.iter().map(|topic| topic.parse().unwrap()).collect();
            missing_topics(selectors.iter(), &states)
        };
        assert_eq!(missing(&["a", "^[ab]"]), None);
        assert_eq!(missing(&["a", "b", "^c.*"]).unwrap(), "topic b does not exist, no topic matches ^c.*");
    }
}
