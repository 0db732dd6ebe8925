//! Parses any bytes as a message and as the log of a game. Nothing may panic, and the damage sent must equal the damage
//! received.
//!
//! `cargo +nightly fuzz run records -- -max_total_time=60`
#![no_main]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the modules are written for the service"
)]

#[path = "../../src/game.rs"]
mod game;
#[path = "../../src/log_entry.rs"]
mod log_entry;
#[path = "../../src/message.rs"]
mod message;
#[path = "../../src/number.rs"]
mod number;

#[path = "../../../../crates/redis-core/src/id.rs"]
pub mod id;
extern crate self as redis_core;

use game::{GameAggregator, PlayerRecord};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(message::Message::GameEnded(game)) = message::parse(input) {
        assert!(!game.as_str().contains(['/', '.', '~']));
    }
    let mut lines = input.split(|byte| *byte == b'\n');
    let health = lines.next().map(|line| String::from_utf8_lossy(line).into_owned());
    let player = |user: &str, health: Option<String>| PlayerRecord {
        user_token: user.to_owned(),
        superhero_id: Some("7".to_owned()),
        health,
    };
    let players = vec![player("a", health), player("b", Some("0".to_owned()))];
    let Ok(mut aggregator) = GameAggregator::new("g", players) else { return };
    let entries = lines.filter(|entry| aggregator.add(entry).is_ok()).count();
    let rows = aggregator.into_rows();
    // An invalid entry ends a game and may have been counted in part. So the sums are compared for valid games only.
    if entries + 1 == input.split(|byte| *byte == b'\n').count() {
        assert_eq!(rows.iter().map(|row| u128::from(row.damage_sent)).sum::<u128>(), rows.iter().map(|row| u128::from(row.damage_received)).sum());
        assert_eq!(rows.iter().map(|row| usize::from(row.rounds)).sum::<usize>(), entries);
    }
    assert!(rows.iter().all(|row| (1..=2).contains(&row.rank)));
});
