//! What the scripts reply.

use fred::types::Value;

use super::failure::StoreFailure;
use super::owner::Owner;

/// What Redis knew about a partition when the caller became its owner.
#[derive(Debug)]
pub struct Claim {
    /// The new owner. Redis refuses those with a smaller epoch.
    pub owner: Owner,
    /// The offset of the next message to apply, if there is one.
    pub next_offset: Option<i64>,
    /// The partition's messages of all time.
    pub counts: Counts,
    /// The topic was deleted and created again after the offset was stored.
    pub recreated: bool,
}

impl Claim {
    /// Reads the reply of claim.lua. `None` if it has another form.
    pub(super) fn parse(reply: &Value) -> Option<Self> {
        let Value::Array(items) = reply else { return None };
        let [epoch, next_offset, applied, dead_letters, recreated, bad_in_row, generation, witnesses] =
            items.iter().map(Value::as_string).collect::<Option<Vec<_>>>()?.try_into().ok()?;
        Some(Self {
            owner: Owner::new(epoch.parse().ok()?, bad_in_row.parse().ok()?, generation, &witnesses),
            next_offset: if next_offset.is_empty() { None } else { Some(next_offset.parse().ok()?) },
            counts: Counts { applied: applied.parse().ok()?, dead_letters: dead_letters.parse().ok()? },
            recreated: recreated == "1",
        })
    }
}

/// The owner and the next offset of a partition, as Redis has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPosition {
    /// The owner's epoch.
    pub epoch: Option<i64>,
    /// The offset of the next message to apply.
    pub next_offset: Option<i64>,
}

/// Messages of a partition that have been handled, of all time.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Those that were applied.
    pub applied: u64,
    /// Those that became dead letters.
    pub dead_letters: u64,
}

/// What Redis did with a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// All messages are applied, by this call or by an earlier one.
    Applied(Counts),
    /// Redis refuses the messages at these offsets and will refuse them again, for these reasons. All before the first of them
    /// are applied.
    Refused(Vec<(i64, String)>),
    /// The messages before an offset, which this is, are applied. The one at that offset is bad, and so were
    /// all before it, for as many as it takes to stop the partition.
    AllBad(i64, Counts),
    /// The partition has another owner, whose epoch this is; it is empty if Redis knows none.
    Fenced(String),
    /// The stored offset, which this is, is before the batch: Redis has lost what came between. On a Cluster there may be none
    /// any more.
    OffsetGap(Option<i64>),
}

impl BatchOutcome {
    /// Reads the reply of apply_batch.lua, commit.lua or rewind.lua. `offsets_key` is the key that an unexpected reply is about.
    pub(super) fn parse(reply: Value, offsets_key: &str) -> Result<Self, StoreFailure> {
        let reply = reply.into_array();
        let text = |index: usize| reply.get(index).and_then(Value::as_string);
        let unexpected = || StoreFailure::unexpected_reply(offsets_key);
        let offset = || text(1)?.parse::<i64>().ok();
        let counts =
            || Some(Counts { applied: reply.get(2)?.as_u64()?, dead_letters: reply.get(3)?.as_u64()? });
        let outcome = match text(0).ok_or_else(unexpected)?.as_str() {
            "applied" => counts().map(BatchOutcome::Applied),
            "all_bad" => offset().zip(counts()).map(|(offset, counts)| BatchOutcome::AllBad(offset, counts)),
            "fenced" => text(1).map(BatchOutcome::Fenced),
            "gap" => Some(BatchOutcome::OffsetGap(offset())),
            "refused" => match (offset(), text(2), text(3)) {
                (Some(offset), Some(error), Some(key)) => {
                    Some(BatchOutcome::Refused(vec![(offset, StoreFailure::of_message(error, &key)?)]))
                }
                _ => None,
            },
            _ => None,
        };
        outcome.ok_or_else(unexpected)
    }

    /// The label `outcome` of the metric `kafka_ingester_batch_seconds`.
    pub fn label(&self) -> &'static str {
        match self {
            BatchOutcome::Applied(_) => "applied",
            BatchOutcome::Refused(..) => "refused",
            BatchOutcome::AllBad(..) => "all_bad",
            BatchOutcome::Fenced(_) => "fenced",
            BatchOutcome::OffsetGap(_) => "hole",
        }
    }
}
