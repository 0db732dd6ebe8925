/// The hash slot of a name, as Redis Cluster computes it: 0 to 16383.
pub fn hash_slot(name: impl AsRef<[u8]>) -> u16 {
    fred::util::redis_keyslot(name.as_ref())
}
