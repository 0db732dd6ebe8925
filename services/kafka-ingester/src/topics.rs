//! Watches the topics: whether they exist, for `/ready`, and whether they are still the same, for the partitions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use chassis::Gate;
use rdkafka::consumer::Consumer as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::describe::{Topic, describe};
use crate::kafka::Consumer;

/// The id of each topic that exists; empty where the broker has no ids.
pub(crate) type TopicIds = HashMap<String, String>;

/// Looks at the topics until `stopping`.
///
/// # Errors
/// When the runtime is going down.
pub(crate) async fn watch(
    consumer: Arc<Consumer>,
    topics: Vec<String>,
    gate: Gate,
    ids: watch::Sender<TopicIds>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut silent = 0;
    loop {
        let described = ask(&consumer, topics.clone()).await?;
        // One answer that is late, as while the broker restarts, is no news.
        silent = if described.is_err() { silent + 1 } else { 0 };
        let events = consumer.client().context();
        let pause = match described {
            Ok(described) => {
                events.forget_error();
                let missing = missing(&topics, &described);
                let existing = described.into_iter().filter_map(|(topic, state)| match state {
                    Topic::Exists(id) => Some((topic, id)),
                    Topic::Missing(_) => None,
                });
                ids.send_replace(existing.collect());
                match missing {
                    None => gate.open(),
                    Some(missing) => gate.close(missing),
                }
                INTERVAL
            }
            Err(reason) => {
                if silent > 1 {
                    gate.close(events.last_error().unwrap_or(reason));
                }
                RETRY
            }
        };
        if stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Ok(());
        }
    }
}

/// The id of a topic as it is now.
///
/// # Errors
/// When it does not exist or no broker answers.
pub(crate) async fn id_of(consumer: &Arc<Consumer>, topic: &str) -> anyhow::Result<String> {
    match ask(consumer, vec![topic.to_owned()]).await?.map(|mut described| described.remove(topic)) {
        Ok(Some(Topic::Exists(id))) => Ok(id),
        Ok(Some(Topic::Missing(why))) => Err(anyhow!("topic {topic} {why}")),
        Ok(None) => Err(anyhow!("topic {topic} was not described")),
        Err(reason) => Err(anyhow!("describe topic {topic}: {reason}")),
    }
}

async fn ask(
    consumer: &Arc<Consumer>,
    topics: Vec<String>,
) -> anyhow::Result<Result<HashMap<String, Topic>, String>> {
    let consumer = Arc::clone(consumer);
    Ok(tokio::task::spawn_blocking(move || describe(&consumer, &topics, TIMEOUT)).await?)
}

fn missing(topics: &[String], described: &HashMap<String, Topic>) -> Option<String> {
    let missing = topics.iter().filter_map(|topic| match described.get(topic) {
        Some(Topic::Exists(_)) => None,
        Some(Topic::Missing(why)) => Some(format!("topic {topic} {why}")),
        None => Some(format!("topic {topic} was not described")),
    });
    Some(missing.collect::<Vec<_>>().join(", ")).filter(|missing| !missing.is_empty())
}

const INTERVAL: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_does_not_exist_is_named() {
        let described = HashMap::from([
            ("a".to_owned(), Topic::Exists(String::new())),
            ("b".to_owned(), Topic::Missing("does not exist".to_owned())),
        ]);
        assert_eq!(missing(&["a".to_owned()], &described), None);
        assert_eq!(missing(&["a".to_owned(), "b".to_owned()], &described).unwrap(), "topic b does not exist");
    }
}
