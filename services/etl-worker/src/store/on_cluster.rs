//! Records on a Redis Cluster: each key is on the shard of its own slot, so no script can have all those of a session. They are
//! read, kept and removed by plain commands, sent together to each shard. What must happen at once, a job, a plan, a commit, is
//! about keys of ours alone, which are all in one slot.

mod batch;
mod clean_up;
mod enqueue;
mod read;
