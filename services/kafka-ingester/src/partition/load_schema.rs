//! Loading a schema that a message needs, for as long as that takes.

use std::time::{Duration, Instant};

use super::interruption::Interruption;
use super::ownership::Ownership;
use crate::message::SchemaId;

/// Waits until the schema is known, or until the registry has said for good that there is none. Meanwhile the partition
/// stands still, and `/ready` says why.
pub(super) async fn load_schema(ownership: &Ownership, id: SchemaId) -> Result<(), Interruption> {
    let (context, partition) = (&ownership.context, &ownership.partition);
    loop {
        let started = Instant::now();
        let Err(problem) = ownership.run_until_stopped(context.registry.load(id)).await? else {
            context.registry_gate.open(partition);
            return Ok(());
        };
        context.registry_gate.close(partition, format!("{problem:#}"));
        ownership.pause(started, RETRY_PAUSE).await?;
    }
}

const RETRY_PAUSE: Duration = Duration::from_secs(1);
