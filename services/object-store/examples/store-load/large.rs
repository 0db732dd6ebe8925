//! Objects of 64 MiB: bytes per second over one connection.

use std::time::Instant;

use object_store::header::ResponseKind;

use crate::client::{Client, HEADER_FRAME, get, set};
use crate::target::Target;

pub(crate) const LARGE: usize = 64 << 20;
const ROUNDS: usize = 9;

pub(crate) fn compare(bare: Target, ours: Target, released: Option<Target>) {
    println!("64 MiB                        bare copy     released         ours, MiB/s (medians)");
    for (name, sets) in [("get", false), ("set", true)] {
        let mut rounds = [vec![], vec![], vec![]];
        for _ in 0..3 {
            for (rates, target) in rounds.iter_mut().zip([Some(bare), released, Some(ours)]) {
                rates.extend(target.map(|target| if sets { self::sets(target) } else { gets(target) }));
            }
        }
        let [bare, released, ours] = rounds.map(median);
        println!(
            "  {name:26} {bare:11.0}  {released:11.0}  {ours:11.0}   {:.0} % of bare, {:.1} x released   (>= 80 %, >= 2 x)",
            ours / bare * 100.0,
            ours / released
        );
    }
}

/// MiB per second of gets, one after the other.
pub(crate) fn gets(target: Target) -> f64 {
    let mut client = Client::connect(target.port, "large");
    client.set(1, &vec![7; LARGE]);
    let get = get(1);
    client.send(&get);
    client.receive(1, ResponseKind::Got, LARGE);
    let rates = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        client.send(&get);
        client.receive(1, ResponseKind::Got, LARGE);
        mib_per_second(began)
    });
    median(rates.collect())
}

fn sets(target: Target) -> f64 {
    let mut client = Client::connect(target.port, "large");
    let mut request = set(1, &vec![7; LARGE]);
    let rates = (0..ROUNDS).map(|round| {
        request[HEADER_FRAME + 8] = round as u8;
        let began = Instant::now();
        client.send(&request);
        client.receive(1, ResponseKind::Set, 0);
        mib_per_second(began)
    });
    median(rates.collect())
}

fn mib_per_second(began: Instant) -> f64 {
    (LARGE >> 20) as f64 / began.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
}
