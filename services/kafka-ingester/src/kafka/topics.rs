//! Asking the brokers about topics, from async code.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use rdkafka::consumer::Consumer as _;

use super::consumer::Consumer;
use super::describe_topics::{self, TopicState};

/// The state of each of `topics`, or why no broker answered.
///
/// # Errors
/// If the runtime is shutting down.
pub(crate) async fn describe_topics(
    consumer: &Arc<Consumer>,
    topics: Vec<String>,
) -> anyhow::Result<Result<HashMap<String, TopicState>, String>> {
    let consumer = Arc::clone(consumer);
    let describe = move || describe_topics::describe_topics(&consumer, &topics, TIMEOUT);
    Ok(tokio::task::spawn_blocking(describe).await?)
}

/// The names of all topics, or why no broker answered.
///
/// # Errors
/// If the runtime is shutting down.
pub(crate) async fn list_topics(consumer: &Arc<Consumer>) -> anyhow::Result<Result<Vec<String>, String>> {
    let consumer = Arc::clone(consumer);
    let list = move || {
        let metadata = consumer.fetch_metadata(None, TIMEOUT).map_err(|error| error.to_string())?;
        Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
    };
    Ok(tokio::task::spawn_blocking(list).await?)
}

/// The present id of a topic; empty if the broker has no ids.
///
/// # Errors
/// If the topic does not exist or no broker answers.
pub(crate) async fn fetch_topic_id(consumer: &Arc<Consumer>, topic: &str) -> anyhow::Result<String> {
    let described = describe_topics(consumer, vec![topic.to_owned()]).await?;
    match described.map(|mut states| states.remove(topic)) {
        Ok(Some(TopicState::Exists(id))) => Ok(id),
        Ok(Some(TopicState::Missing(reason))) => Err(anyhow!("topic {topic} {reason}")),
        Ok(None) => Err(anyhow!("topic {topic} was not described")),
        Err(reason) => Err(anyhow!("describe topic {topic}: {reason}")),
    }
}

const TIMEOUT: Duration = Duration::from_secs(3);
