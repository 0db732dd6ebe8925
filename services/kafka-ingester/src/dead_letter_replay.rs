//! Applies dead letters again, with the present settings.

use std::sync::Arc;

use anyhow::Context;

use crate::batch::Batch;
use crate::mappings::Mappings;
use crate::message::Record;
use crate::schema_registry::SchemaRegistry;
use crate::store::{DeadLetter, DeadLetterStore, ReplayOutcome};

/// What is needed to apply a dead letter.
pub(crate) struct DeadLetterReplay {
    pub(crate) store: DeadLetterStore,
    pub(crate) mappings: Arc<Mappings>,
    pub(crate) registry: Arc<SchemaRegistry>,
}

impl DeadLetterReplay {
    /// Applies a dead letter and removes it, or does neither.
    ///
    /// # Errors
    /// If Redis refuses what the dead letter is not to blame for, or if a schema cannot be loaded.
    pub(crate) async fn apply(&self, dead_letter: &DeadLetter) -> anyhow::Result<ReplayOutcome> {
        let Some(policy) = self.mappings.policy_of(&dead_letter.topic) else {
            let reason = format!("{}, and no setting is about this topic now", dead_letter.reason);
            return Ok(ReplayOutcome::Refused(reason));
        };
        let key = Some(&*dead_letter.key).filter(|key| !key.is_empty());
        let value = Some(&*dead_letter.value).filter(|value| !value.is_empty());
        let partition = dead_letter.partition.parse().unwrap_or_default();
        let record = Record { topic: &dead_letter.topic, partition, key, value, ..Record::default() };
        let mut batch = Batch::default();
        while let Err(id) = batch.push(policy, self.registry.schemas(), 0, &record) {
            self.registry.load(id).await?;
        }
        if let Some(bad) = batch.bad_messages().first() {
            return Ok(ReplayOutcome::Refused(bad.reason.clone()));
        }
        let outcome =
            self.store.replay(&dead_letter.id, policy, &batch).await.context("replay a dead letter")?;
        Ok(match outcome {
            ReplayOutcome::Refused(reason) => ReplayOutcome::Refused(format!("redis: {reason}")),
            other => other,
        })
    }
}
