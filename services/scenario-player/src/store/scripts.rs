//! The Lua scripts.

use fred::types::Value;
use fred::types::scripts::Script;

pub(super) struct Scripts {
    pub(super) begin_post: Script,
    pub(super) post: Script,
    pub(super) end_post: Script,
    pub(super) update_playback: Script,
    pub(super) store_messages: Script,
    pub(super) begin_recording: Script,
    pub(super) ack: Script,
    pub(super) bury: Script,
    pub(super) revive: Script,
    pub(super) join: Script,
    pub(super) leave: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            begin_post: Script::from_lua(concat!(include_str!("posts.lua"), include_str!("begin_post.lua"))),
            post: Script::from_lua(concat!(
                include_str!("posts.lua"),
                include_str!("add_events.lua"),
                include_str!("post.lua")
            )),
            end_post: Script::from_lua(concat!(include_str!("posts.lua"), include_str!("end_post.lua"))),
            update_playback: Script::from_lua(concat!(
                include_str!("posts.lua"),
                include_str!("add_events.lua"),
                include_str!("update_playback.lua")
            )),
            store_messages: Script::from_lua(include_str!("store_messages.lua")),
            begin_recording: Script::from_lua(concat!(
                include_str!("add_events.lua"),
                include_str!("begin_recording.lua")
            )),
            ack: Script::from_lua(include_str!("ack.lua")),
            bury: Script::from_lua(include_str!("bury.lua")),
            revive: Script::from_lua(concat!(include_str!("add_events.lua"), include_str!("revive.lua"))),
            join: Script::from_lua(include_str!("join.lua")),
            leave: Script::from_lua(include_str!("leave.lua")),
        }
    }
}

/// A boolean, as the scripts are given it.
pub(super) fn flag(is_set: bool) -> Value {
    if is_set { "1" } else { "" }.into()
}
