//! Any text as the file of `INGEST_CONFIG`. An error is one line, and names a line that exists.
#![no_main]

use kafka_ingester_fuzz::parse_ingest_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // These name files, which would be read.
    if text.contains("_schema") {
        return;
    }
    let Err(error) = parse_ingest_file("FILE", text) else { return };
    let named = error.split(" of FILE").next().and_then(|before| before.rsplit("line ").next());
    let line: usize = named.and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("{error:?}"));
    assert!(line >= 1 && line <= text.split('\n').count(), "{error:?}");
});
