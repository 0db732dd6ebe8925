//! Who may come in: limits on connections, in all and per address, and on their rate.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::address;
use crate::options::Options;

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    TooManyOfAddress,
}

/// Counts what is open.
#[derive(Default)]
pub(crate) struct Gate {
    connections: AtomicUsize,
    clients: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place; given back when dropped.
pub(crate) struct Place {
    gate: Arc<Gate>,
    address: Option<IpAddr>,
    is_client: bool,
}

impl Gate {
    /// A place for a connection that has just been accepted.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr, options: &Options) -> Result<Place, Refusal> {
        let count = self.connections.fetch_add(1, Ordering::Relaxed);
        let mut place = Place { gate: self.clone(), address: None, is_client: false };
        if count >= options.max_connections.saturating_add(Options::SPARE) {
            return Err(Refusal::Full);
        }
        // Behind a proxy the client is known once its request has been read.
        if !address::is_trusted(peer.to_canonical(), &options.trusted_proxies) {
            place.count_address(peer.to_canonical(), options)?;
        }
        Ok(place)
    }

    pub(crate) fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }
}

impl Place {
    /// Makes it the place of a client that stays.
    pub(crate) fn keep(&mut self, client: IpAddr, options: &Options) -> Result<(), Refusal> {
        if self.address.is_none() {
            self.count_address(client, options)?;
        }
        self.is_client = true;
        if self.gate.clients.fetch_add(1, Ordering::Relaxed) >= options.max_connections {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    fn count_address(&mut self, address: IpAddr, options: &Options) -> Result<(), Refusal> {
        if options.max_connections_per_address == 0 {
            return Ok(());
        }
        let mut addresses = self.gate.addresses.lock();
        let count = addresses.entry(address).or_default();
        if *count >= options.max_connections_per_address {
            return Err(Refusal::TooManyOfAddress);
        }
        *count += 1;
        self.address = Some(address);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.connections.fetch_sub(1, Ordering::Relaxed);
        if self.is_client {
            self.gate.clients.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(address) = self.address {
            let mut addresses = self.gate.addresses.lock();
            if let Some(count) = addresses.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    addresses.remove(&address);
                }
            }
        }
    }
}

/// Spaces out accepts: up to a second's worth at once, then at the rate.
pub(crate) struct Pace {
    interval: Duration,
    /// When the next accept would be due if none had ever been early.
    due: Instant,
}

impl Pace {
    pub(crate) fn new(per_second: u32) -> Self {
        let interval = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        Self { interval, due: Instant::now() }
    }

    pub(crate) async fn step(&mut self) {
        let now = Instant::now();
        self.due = self.due.max(now) + self.interval;
        if let Some(early) = self.due.checked_duration_since(now + Duration::from_secs(1)) {
            tokio::time::sleep(early).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(total: usize, per_address: usize, trusted: &[&str]) -> Options {
        Options {
            max_connections: total,
            max_connections_per_address: per_address,
            trusted_proxies: trusted.iter().map(|text| text.parse().unwrap()).collect(),
            ..crate::test_options::options()
        }
    }

    #[test]
    fn an_address_gets_its_share_and_no_more_until_it_gives_back() {
        let (gate, options) = (Arc::new(Gate::default()), options(10, 2, &[]));
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = gate.admit(one, &options).ok().unwrap();
        let _second = gate.admit(one, &options).ok().unwrap();
        assert_eq!(gate.admit(one, &options).err(), Some(Refusal::TooManyOfAddress));
        assert!(gate.admit(other, &options).is_ok());
        drop(first);
        assert!(gate.admit(one, &options).is_ok());
        assert_eq!(gate.connections.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn behind_a_trusted_proxy_the_forwarded_address_counts() {
        let (gate, options) = (Arc::new(Gate::default()), options(10, 1, &["10.0.0.0/8"]));
        let (proxy, one, other) =
            ("10.0.0.1".parse().unwrap(), "192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let mut places: Vec<_> = (0..3).map(|_| gate.admit(proxy, &options).ok().unwrap()).collect();
        assert_eq!(places[0].keep(one, &options), Ok(()));
        assert_eq!(places[1].keep(one, &options), Err(Refusal::TooManyOfAddress));
        assert_eq!(places[2].keep(other, &options), Ok(()));
    }

    #[test]
    fn when_full_probes_still_get_in() {
        let (gate, options) = (Arc::new(Gate::default()), options(1, 0, &[]));
        let address = "192.0.2.1".parse().unwrap();
        let mut places: Vec<_> = (0..2).map(|_| gate.admit(address, &options).ok().unwrap()).collect();
        assert_eq!(places[0].keep(address, &options), Ok(()));
        assert_eq!(places[1].keep(address, &options), Err(Refusal::Full));
        drop(places);
        assert_eq!(gate.clients(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn accepts_beyond_a_seconds_worth_are_spaced_out() {
        let begin = Instant::now();
        let mut pace = Pace::new(100);
        for _ in 0..300 {
            pace.step().await;
        }
        assert!((1990..2100).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
        let mut unlimited = Pace::new(0);
        for _ in 0..1_000_000 {
            unlimited.step().await;
        }
        assert!(begin.elapsed() < Duration::from_secs(3));
    }
}
