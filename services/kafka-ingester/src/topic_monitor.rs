//! Watches the topics: whether they exist, for `/ready`, and their ids, for the partition tasks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chassis::Gate;
use rdkafka::consumer::Consumer as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::kafka::{Consumer, TopicState, describe_topics};

/// The id of each topic that exists; empty if the broker has no ids.
pub(crate) type TopicIds = HashMap<String, String>;

/// Checks the topics until `stopping`.
///
/// # Errors
/// If the runtime is shutting down.
pub(crate) async fn run(
    consumer: Arc<Consumer>,
    topics: Vec<String>,
    gate: Gate,
    topic_ids: watch::Sender<TopicIds>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut failures = 0;
    loop {
        let described = describe_topics(&consumer, topics.clone()).await?;
        let event_handler = consumer.client().context();
        let pause = match described {
            Ok(states) => {
                failures = 0;
                event_handler.clear_last_error();
                let missing = missing_topics(&topics, &states);
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

/// Names the topics that cannot be read, with the reasons.
fn missing_topics(topics: &[String], states: &HashMap<String, TopicState>) -> Option<String> {
    let missing = topics.iter().filter_map(|topic| match states.get(topic) {
        Some(TopicState::Exists(_)) => None,
        Some(TopicState::Missing(reason)) => Some(format!("topic {topic} {reason}")),
        None => Some(format!("topic {topic} was not described")),
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
        assert_eq!(missing_topics(&["a".to_owned()], &states), None);
        assert_eq!(
            missing_topics(&["a".to_owned(), "b".to_owned()], &states).unwrap(),
            "topic b does not exist"
        );
    }
}
