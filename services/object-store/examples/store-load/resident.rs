//! Resident memory compared with the bytes that are stored.

use std::thread::sleep;
use std::time::{Duration, Instant};

use object_store::header::ResponseKind;

use crate::client::{Client, delete, set};
use crate::target::Target;

const BYTES: u64 = 256 << 20;
const AT_ONCE: u64 = 32;

pub(crate) fn measure(target: Target) {
    println!("resident memory, MB           stored    resident    limit (1.1 x + 20)");
    let mut client = Client::connect(target.port, "resident");
    for (name, length) in [("64 KiB", 64 << 10), ("1 KiB", 1 << 10)] {
        let count = BYTES / length;
        for first in (0..count).step_by(AT_ONCE as usize) {
            let sets = (first..first + AT_ONCE).flat_map(|id| set(id, &content(id, length as usize)));
            client.send(&sets.collect::<Vec<u8>>());
            client.receive(AT_ONCE as usize, ResponseKind::Set, 0);
        }
        show(target, &format!("{count} objects of {name}"), BYTES);
        for (start, what) in [(0, "half of them deleted"), (1, "all of them deleted")] {
            for first in (start..count).step_by(2 * AT_ONCE as usize) {
                let deletes = (first..first + 2 * AT_ONCE).step_by(2).flat_map(delete);
                client.send(&deletes.collect::<Vec<u8>>());
                client.receive(AT_ONCE as usize, ResponseKind::Deleted, 0);
            }
            show(target, what, BYTES / 2 * (1 - start));
        }
    }
}

fn content(id: u64, length: usize) -> Vec<u8> {
    id.to_le_bytes().into_iter().cycle().take(length).collect()
}

/// Gives the server some seconds to return memory, then prints how much it uses.
fn show(target: Target, what: &str, stored: u64) {
    let (began, limit) = (Instant::now(), stored + stored / 10 + 20_000_000);
    while target.resident_bytes() > limit && began.elapsed() < Duration::from_secs(15) {
        sleep(Duration::from_millis(100));
    }
    let mb = |bytes: u64| bytes as f64 / 1e6;
    println!(
        "  {what:26} {:8.0}    {:8.0}    {:8.0}   after {:.1} s",
        mb(stored),
        mb(target.resident_bytes()),
        mb(limit),
        began.elapsed().as_secs_f64()
    );
}
