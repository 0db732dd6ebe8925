use fred::types::scripts::Script;

/// The Lua scripts. Each is the file of its name, after the functions that it shares with others.
pub(super) struct Scripts {
    pub(super) enqueue: Script,
    pub(super) enqueue_settled: Script,
    pub(super) claim: Script,
    pub(super) renew: Script,
    pub(super) read: Script,
    pub(super) plan: Script,
    pub(super) commit: Script,
    pub(super) fail: Script,
    pub(super) retry: Script,
    pub(super) remove_consumers: Script,
}

impl Scripts {
    pub(super) fn load() -> Self {
        macro_rules! script {
            ($($file:literal),+) => { Script::from_lua(concat!($(include_str!($file)),+)) };
        }
        Self {
            enqueue: script!("records.lua", "enqueue.lua"),
            enqueue_settled: script!("records.lua", "enqueue_settled.lua"),
            claim: script!("claim.lua"),
            renew: script!("ownership.lua", "renew.lua"),
            read: script!("records.lua", "read.lua"),
            plan: script!("ownership.lua", "plan.lua"),
            commit: script!("ownership.lua", "records.lua", "commit.lua"),
            fail: script!("ownership.lua", "fail.lua"),
            retry: script!("retry.lua"),
            remove_consumers: script!("remove_consumers.lua"),
        }
    }
}
