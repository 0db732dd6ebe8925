//! What the owner of a partition knows of it.

use std::fmt;

use parking_lot::Mutex;
use redis_core::key::HASH_SLOTS;
use redis_core::{Shard, Topology};

/// An owner of a partition: its epoch, and on a Cluster what the shards have acknowledged to it.
#[derive(Debug, Default)]
pub struct Owner {
    epoch: i64,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// Names the offsets' log: another one after they began anew.
    generation: String,
    bad_in_row: u32,
    last_call: u64,
    witnesses: Vec<Witness>,
}

/// The last call that a shard has acknowledged. It is kept in a hash slot of the shard, so that a failover which loses writes
/// loses it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) slot: u16,
    pub(super) call: Call,
}

/// The number of a call of an owner. Later calls are greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Call {
    pub(super) epoch: i64,
    pub(super) number: u64,
}

impl Owner {
    pub(super) fn new(epoch: i64, bad_in_row: u32, generation: String, witnesses: &str) -> Self {
        let witnesses = witnesses.split(',').filter_map(Witness::parse).collect();
        Self { epoch, progress: Mutex::new(Progress { generation, bad_in_row, last_call: 0, witnesses }) }
    }

    /// Redis refuses owners with a smaller one; 0 before the first claim.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The next claim must have a greater epoch than this.
    pub fn exceed(&mut self, epoch: i64) {
        self.epoch = self.epoch.max(epoch);
    }

    pub(super) fn generation(&self) -> String {
        self.progress.lock().generation.clone()
    }

    /// The offsets begin anew: what shards have of the old ones does not count.
    pub(super) fn begin(&self, generation: String) {
        let mut progress = self.progress.lock();
        (progress.generation, progress.bad_in_row) = (generation, 0);
        progress.witnesses.clear();
    }

    /// Messages that were bad in a row.
    pub(super) fn bad_in_row(&self) -> u32 {
        self.progress.lock().bad_in_row
    }

    pub(super) fn set_bad_in_row(&self, bad_in_row: u32) {
        self.progress.lock().bad_in_row = bad_in_row;
    }

    pub(super) fn next_call(&self) -> Call {
        let mut progress = self.progress.lock();
        progress.last_call += 1;
        Call { epoch: self.epoch, number: progress.last_call }
    }

    /// The last call that the witness in this slot must know; `None` if there is no witness.
    pub(super) fn acknowledged(&self, slot: u16) -> Option<Call> {
        let progress = self.progress.lock();
        progress.witnesses.iter().find(|witness| witness.slot == slot).map(|witness| witness.call)
    }

    /// The shard with this witness has acknowledged a call.
    pub(super) fn acknowledge(&self, slot: u16, call: Call) {
        let mut progress = self.progress.lock();
        progress.witnesses.retain(|witness| witness.slot != slot);
        progress.witnesses.push(Witness { slot, call });
    }

    /// The slot of this shard's witness: where it is, or in the middle of the shard's slots.
    pub(super) fn witness_slot(&self, topology: &Topology, shard: &Shard) -> u16 {
        let progress = self.progress.lock();
        let own = progress.witnesses.iter().filter(|witness| topology.shard_of(witness.slot) == Some(shard));
        if let Some(witness) = own.max_by_key(|witness| witness.call) {
            return witness.slot;
        }
        let slots: Vec<u16> =
            (0..HASH_SLOTS).filter(|slot| topology.shard_of(*slot) == Some(shard)).collect();
        slots.get(slots.len() / 2).copied().unwrap_or_default()
    }

    /// The witnesses for the next owner, where those in the slots of `lost` know these calls only. If a slot was moved, its shard
    /// may have another witness now, and the moved one is dropped.
    pub(super) fn witnesses(&self, topology: &Topology, lost: &[(u16, Option<Call>)]) -> String {
        let known = self.progress.lock().witnesses.clone();
        let counts = |witness: &&Witness| {
            let shard = topology.shard_of(witness.slot);
            shard.is_none_or(|shard| self.witness_slot(topology, shard) == witness.slot)
        };
        let left = |witness: &Witness| match lost.iter().find(|(slot, _)| *slot == witness.slot) {
            Some((slot, call)) => call.map(|call| Witness { slot: *slot, call }),
            None => Some(*witness),
        };
        let texts: Vec<String> =
            known.iter().filter(counts).filter_map(left).map(|left| left.to_string()).collect();
        texts.join(",")
    }
}

impl Witness {
    fn parse(text: &str) -> Option<Self> {
        let (slot, call) = text.split_once(':')?;
        Some(Self { slot: slot.parse().ok()?, call: Call::parse(call)? })
    }
}

/// `SLOT:EPOCH:NUMBER`.
impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.slot, self.call.epoch, self.call.number)
    }
}

impl Call {
    /// `EPOCH:NUMBER`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (epoch, number) = text.split_once(':')?;
        Some(Self { epoch: epoch.parse().ok()?, number: number.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_owner_knows_what_witnesses_must_know_and_what_they_have_lost() {
        let owner = Owner::new(4, 0, "g".to_owned(), "100:3:7,200:3:8,300:3:9");
        let call = owner.next_call();
        owner.acknowledge(200, call);
        let nowhere = Topology::default();
        assert_eq!(owner.witnesses(&nowhere, &[]), "100:3:7,300:3:9,200:4:1");
        let lost = [(100, Some(Call { epoch: 3, number: 5 })), (300, None)];
        assert_eq!(owner.witnesses(&nowhere, &lost), "100:3:5,200:4:1");
        let next = Owner::new(5, 0, "g".to_owned(), &owner.witnesses(&nowhere, &lost));
        assert_eq!((next.acknowledged(200), next.acknowledged(300)), (Some(call), None));
        assert!(next.next_call() > call);
    }
}
