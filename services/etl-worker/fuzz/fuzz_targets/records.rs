//! Parses any bytes as a message, as the log of a game and as a dataset file. Nothing may panic, and the damage sent must
//! equal the damage received.
//!
//! `cargo +nightly fuzz run records -- -max_total_time=60`
#![no_main]

use std::sync::{Arc, LazyLock};

use etl_worker::dataset::{self, Dataset, MemberRecord, SUPERHERO, Session};
use etl_worker::message::{self, Message};
use etl_worker::table::Value;
use libfuzzer_sys::fuzz_target;

static DATASET: LazyLock<Arc<Dataset>> = LazyLock::new(|| dataset::load(SUPERHERO).expect("it is built in"));

fuzz_target!(|input: &[u8]| {
    if let Ok(Message::Ended(game)) = message::parse(input, &DATASET.end) {
        assert!(!game.as_str().contains(['/', '.', '~']));
    }
    if let Ok(text) = str::from_utf8(input) {
        let _ = dataset::parse("fuzz.toml", text);
    }
    let mut lines = input.split(|byte| *byte == b'\n');
    let health = lines.next().map(|line| String::from_utf8_lossy(line).into_owned());
    let player =
        |name: &str, health| MemberRecord { name: name.to_owned(), fields: vec![Some("7".to_owned()), health] };
    let players = vec![player("a", health), player("b", Some("0".to_owned()))];
    let Ok(mut session) = Session::new(&DATASET, "g", vec![], players) else { return };
    let lines: Vec<&[u8]> = lines.collect();
    let entries = lines.iter().filter(|entry| session.add([**entry]).is_ok()).count();
    let Ok(tables) = session.into_rows() else { return };
    let sum = |column: usize| -> i128 {
        let values = tables[1].values().map(|row| match row[column] {
            Value::Integer(number) => number,
            _ => 0,
        });
        values.sum()
    };
    // An invalid entry ends a game and may have been counted in part. So the sums are compared for valid games only.
    if entries == lines.len() {
        assert_eq!((sum(3), sum(4)), (entries as i128, sum(5)));
    }
    assert!((2..=3).contains(&sum(2)));
});
