//! How fast hot objects are while most of the others are in files.

use std::time::{Duration, Instant};

use object_store::header::ResponseKind;

use crate::client::{Client, get};
use crate::target::Target;

const OBJECT: usize = 1 << 20;
/// 10 GiB: ten times what the node may have in memory.
const OBJECTS: u64 = 10 << 10;
const HOT: u64 = 16;
const GETS: u64 = 400;

/// Compares a node that spills with one that has few objects. Checks that every tenth object comes back as it was.
pub(crate) fn measure(spilling: Target, plain: Target) {
    println!(
        "hot objects of 1 MiB while 10 GiB are stored in 1 GiB of memory, and without spilling   (p99 <= 1.2 x)"
    );
    let mut clients = [spilling, plain].map(|target| Client::connect(target.port, "hot"));
    for (client, objects) in clients.iter_mut().zip([OBJECTS, HOT]) {
        (0..objects).for_each(|id| client.set(id, &content(id)));
    }
    for id in (0..OBJECTS).step_by(10) {
        clients[0].send(&get(id));
        assert!(
            clients[0].receive(1, ResponseKind::Got, OBJECT) == content(id),
            "object {id} is another one"
        );
    }
    let mut rounds = [vec![], vec![]];
    for _ in 0..9 {
        for (p99s, client) in rounds.iter_mut().zip(&mut clients) {
            p99s.push(p99(client));
        }
    }
    let [spilling, plain] = rounds.map(|mut p99s| {
        p99s.sort_unstable();
        p99s[p99s.len() / 2].as_secs_f64() * 1e6
    });
    println!("  p99 {spilling:6.0} us   without spilling {plain:6.0} us   {:.2} x", spilling / plain);
}

/// The 99th percentile of gets of the hot objects, once they are in memory.
fn p99(client: &mut Client) -> Duration {
    let mut times: Vec<_> = (0..HOT + GETS)
        .map(|n| {
            let began = Instant::now();
            client.send(&get(n % HOT));
            client.receive(1, ResponseKind::Got, OBJECT);
            began.elapsed()
        })
        .skip(HOT as usize)
        .collect();
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

fn content(id: u64) -> Vec<u8> {
    let mut content = vec![7; OBJECT];
    content[..8].copy_from_slice(&id.to_le_bytes());
    content
}
