//! The settings that every script which applies messages gets.

use fred::types::Value;
use fred::types::scripts::Script;

use crate::config::WriteConfig;
use crate::message::{Notify, StoreAs};

/// ARGV 1 to 4 of the scripts that begin with message.lua, and the set of ids.
#[derive(Clone)]
pub(super) struct ScriptOptions {
    values: [Value; 4],
    id_set: String,
}

impl ScriptOptions {
    pub(super) fn new(write: &WriteConfig) -> Self {
        let store_as = match write.store_as {
            StoreAs::Hash => "hash",
            StoreAs::Json => "json",
            StoreAs::Stream => "stream",
        };
        let notification = if write.notify == Notify::Text { write.notify_text.as_str() } else { "" };
        let ttl_ms = write.key_ttl.map_or(0, |ttl| ttl.as_millis());
        let values =
            [store_as.to_owned(), notification.to_owned(), ttl_ms.to_string(), write.stream_max.to_string()];
        Self { values: values.map(Value::from), id_set: write.id_set().unwrap_or_default().to_owned() }
    }

    /// The options, followed by the script's own arguments.
    pub(super) fn followed_by<const N: usize>(&self, args: [Value; N]) -> Vec<Value> {
        self.values.iter().cloned().chain(args).collect()
    }

    /// The set that collects the ids; empty for none.
    pub(super) fn id_set(&self) -> String {
        self.id_set.clone()
    }
}

/// A script that uses the functions of message.lua.
pub(super) fn message_script(lua: &str) -> Script {
    Script::from_lua([include_str!("message.lua"), lua].concat())
}
