//! Decodes any bytes as a message, under every policy. It must not panic, and must return a reason of the
//! contract, or values that are JSON where they should be.
//!
//! `cargo +nightly fuzz run messages -- -max_total_time=60`
#![no_main]
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the modules are the service's, and this crate uses a part of them"
)]

// The files themselves, so that librdkafka need not be built.
#[path = "../../src/message"]
mod message {
    pub(crate) mod bad_message;
    pub(crate) mod change;
    pub(crate) mod decode;
    mod fields;
    mod json;
    mod key_template;
    pub(crate) mod policy;
}

use libfuzzer_sys::fuzz_target;
use message::change::Action;
use message::decode::decode;
use message::policy::{Nested, Notify, Nulls, Policy, StoreAs, Tombstones};

const REASONS: [&str; 9] =
    ["empty", "not_utf8", "not_json", "not_object", "no_key", "bad_key", "redis", "nested", "too_large"];

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, value) = input;
    let policy = Policy {
        key_field: "battery_id".to_owned(),
        key_template: "battery:{battery_id}:data".parse().unwrap(),
        nested: [Nested::Json, Nested::Flatten, Nested::Reject][usize::from(choice % 3)],
        nulls: [Nulls::Store, Nulls::Delete, Nulls::Skip][usize::from(choice / 3 % 3)],
        tombstones: Tombstones::Reject,
        store_as: if choice & 64 == 0 { StoreAs::Hash } else { StoreAs::Json },
        notify: if choice & 128 == 0 { Notify::Text } else { Notify::Fields },
        max_bytes: 4096,
    };
    match decode(&policy, None, Some(value)) {
        Err(bad) => assert!(REASONS.iter().any(|reason| bad.to_string().starts_with(reason)), "{bad}"),
        Ok(change) => {
            if let Some(notification) = change.notification {
                serde_json::from_str::<serde::de::IgnoredAny>(&notification).unwrap();
            }
            let Action::Write { set, .. } = change.action else { unreachable!("there is a value") };
            if policy.store_as == StoreAs::Json {
                serde_json::from_str::<serde::de::IgnoredAny>(&set[0].1).unwrap();
            }
        }
    }
});
