//! What is done with the messages of each topic.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::message::Policy;
use crate::topic_selector::TopicSelector;

/// The topics that are read, each with what is done with its messages.
#[derive(Debug, Clone, Default)]
pub struct Mappings {
    by_topic: Vec<(TopicSelector, Arc<Policy>)>,
    /// For all other topics. They are not read, but dead letters may have come from them.
    otherwise: Option<Arc<Policy>>,
}

impl Mappings {
    /// Each topic with a policy of its own.
    pub(crate) fn of_each(by_topic: Vec<(TopicSelector, Policy)>) -> Self {
        let by_topic = by_topic.into_iter().map(|(topic, policy)| (topic, Arc::new(policy))).collect();
        Self { by_topic, otherwise: None }
    }

    /// All topics with the same policy.
    pub(crate) fn of_all(topics: Vec<TopicSelector>, policy: Policy) -> Self {
        let policy = Arc::new(policy);
        let by_topic = topics.into_iter().map(|topic| (topic, Arc::clone(&policy))).collect();
        Self { by_topic, otherwise: Some(policy) }
    }

    /// What is done with the messages of a topic. Its name goes before a pattern, and a pattern before a later one.
    pub(crate) fn policy_of(&self, topic: &str) -> Option<&Arc<Policy>> {
        let by_name = self.by_topic.iter().find(|(selector, _)| selector.name() == Some(topic));
        let found = by_name.or_else(|| self.by_topic.iter().find(|(selector, _)| selector.has(topic)));
        found.map(|(_, policy)| policy).or(self.otherwise.as_ref())
    }

    /// What is read.
    pub(crate) fn selectors(&self) -> impl Iterator<Item = &TopicSelector> {
        self.by_topic.iter().map(|(selector, _)| selector)
    }

    /// The topics that are read whether they exist or not.
    pub(crate) fn names(&self) -> Vec<String> {
        self.selectors().filter_map(TopicSelector::name).map(str::to_owned).collect()
    }

    /// True if topics are read that are not named.
    pub(crate) fn has_patterns(&self) -> bool {
        self.selectors().any(|selector| selector.name().is_none())
    }

    /// The topics that are read: those that are named, and those of `existing` that are in a pattern.
    pub(crate) fn topics<'a>(&self, existing: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
        let matching = existing.filter(|topic| self.selectors().any(|selector| selector.has(topic)));
        self.names().into_iter().chain(matching.map(str::to_owned)).collect()
    }

    /// All policies, each once.
    pub(crate) fn policies(&self) -> Vec<&Policy> {
        let mut policies: Vec<&Policy> = Vec::new();
        for (_, policy) in &self.by_topic {
            if !policies.contains(&&**policy) {
                policies.push(policy);
            }
        }
        policies
    }
}
