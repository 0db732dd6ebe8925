use fred::types::scripts::Script;

/// The Lua scripts. Each is the file of its name, after the functions that it shares with others.
pub(super) struct Scripts {
    pub(super) enqueue: Script,
    pub(super) enqueue_settled: Script,
    pub(super) without_job: Script,
    pub(super) claim: Script,
    pub(super) renew: Script,
    pub(super) read: Script,
    pub(super) plan: Script,
    pub(super) commit: Script,
    pub(super) fail: Script,
    pub(super) retry: Script,
    pub(super) remove_consumers: Script,
    pub(super) enqueue_ended: Script,
    pub(super) take_uncleaned: Script,
    pub(super) cleaned: Script,
}

impl Scripts {
    pub(super) fn load() -> Self {
        macro_rules! script {
            ($($file:literal),+) => { Script::from_lua(concat!($(include_str!($file)),+)) };
        }
        Self {
            enqueue: script!("try.lua", "records.lua", "enqueue.lua"),
            enqueue_settled: script!("try.lua", "records.lua", "settling.lua", "enqueue_settled.lua"),
            without_job: script!("try.lua", "records.lua", "without_job.lua"),
            claim: script!("claim.lua"),
            renew: script!("ownership.lua", "renew.lua"),
            read: script!("try.lua", "read.lua"),
            plan: script!("try.lua", "ownership.lua", "plan.lua"),
            commit: script!("try.lua", "ownership.lua", "commit.lua"),
            fail: script!("try.lua", "ownership.lua", "fail.lua"),
            retry: script!("retry.lua"),
            remove_consumers: script!("remove_consumers.lua"),
            enqueue_ended: script!("try.lua", "records.lua", "settling.lua", "enqueue_ended.lua"),
            take_uncleaned: script!("take_uncleaned.lua"),
            cleaned: script!("cleaned.lua"),
        }
    }
}
