//! Any bytes as a message and as the log of a game: no panic, and what is dealt is what is taken.
//!
//! `cargo +nightly fuzz run records -- -max_total_time=60`
#![no_main]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the modules are those of the service, for which they are written"
)]

#[path = "../../src/game.rs"]
mod game;
#[path = "../../src/message.rs"]
mod message;

#[path = "../../../../crates/redis-core/src/id.rs"]
pub mod id;
extern crate self as redis_core;

use game::{Record, Tally};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(message::Message::Clean(game)) = message::parse(input) {
        assert!(!game.as_str().contains(['/', '.', '~']));
    }
    let mut lines = input.split(|byte| *byte == b'\n');
    let health = lines.next().map(|line| String::from_utf8_lossy(line).into_owned());
    let player = |user: &str, health: Option<String>| Record {
        user_token: user.to_owned(),
        superhero_id: Some("7".to_owned()),
        health,
    };
    let players = vec![player("a", health), player("b", Some("0".to_owned()))];
    let Ok(mut tally) = Tally::new("g", players) else { return };
    let entries = lines.filter(|entry| tally.add(entry).is_ok()).count();
    let rows = tally.rows();
    // An entry that was refused half-way ends a game, so it is only whole games whose sums are equal.
    if entries + 1 == input.split(|byte| *byte == b'\n').count() {
        assert_eq!(rows.iter().map(|row| u128::from(row.damage_sent)).sum::<u128>(), rows.iter().map(|row| u128::from(row.damage_received)).sum());
        assert_eq!(rows.iter().map(|row| usize::from(row.rounds)).sum::<usize>(), entries);
    }
    assert!(rows.iter().all(|row| (1..=2).contains(&row.rank)));
});
