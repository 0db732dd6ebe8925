//! Limits on the number of connections, in all and per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::address;
use crate::options::Options;

/// The limit that a connection would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitExceeded {
    Total,
    PerAddress,
}

/// Counts connections, and how many of them are clients: open WebSockets and event streams.
#[derive(Default)]
pub(crate) struct ConnectionLimiter {
    connections: AtomicUsize,
    clients: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

/// Permission for one connection. Dropping it gives it back.
pub(crate) struct Permit {
    limiter: Arc<ConnectionLimiter>,
    /// The address that the connection is counted for, if there is a limit per address.
    address: Option<IpAddr>,
    is_client: bool,
}

impl ConnectionLimiter {
    /// Counts a connection that was just accepted.
    pub(crate) fn acquire(
        self: &Arc<Self>,
        peer: IpAddr,
        options: &Options,
    ) -> Result<Permit, LimitExceeded> {
        let count = self.connections.fetch_add(1, Ordering::Relaxed);
        let mut permit = Permit { limiter: self.clone(), address: None, is_client: false };
        if count >= options.max_connections.saturating_add(Options::SPARE_CONNECTIONS) {
            return Err(LimitExceeded::Total);
        }
        // Behind a proxy the client's address is known only when the request has been read.
        if !address::is_trusted(peer.to_canonical(), &options.trusted_proxies) {
            permit.count_address(peer.to_canonical(), options)?;
        }
        Ok(permit)
    }

    pub(crate) fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }
}

impl Permit {
    /// Counts the connection as a client, which stays open.
    pub(crate) fn upgrade_to_client(
        &mut self,
        client: IpAddr,
        options: &Options,
    ) -> Result<(), LimitExceeded> {
        if self.address.is_none() {
            self.count_address(client, options)?;
        }
        self.is_client = true;
        if self.limiter.clients.fetch_add(1, Ordering::Relaxed) >= options.max_connections {
            return Err(LimitExceeded::Total);
        }
        Ok(())
    }

    fn count_address(&mut self, address: IpAddr, options: &Options) -> Result<(), LimitExceeded> {
        if options.max_connections_per_address == 0 {
            return Ok(());
        }
        let mut addresses = self.limiter.addresses.lock();
        let count = addresses.entry(address).or_default();
        if *count >= options.max_connections_per_address {
            return Err(LimitExceeded::PerAddress);
        }
        *count += 1;
        self.address = Some(address);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiter.connections.fetch_sub(1, Ordering::Relaxed);
        if self.is_client {
            self.limiter.clients.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(address) = self.address {
            let mut addresses = self.limiter.addresses.lock();
            if let Some(count) = addresses.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    addresses.remove(&address);
                }
            }
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
            trusted_proxies: trusted.iter().map(|text| address::parse_network(text).unwrap()).collect(),
            ..crate::test_options::options()
        }
    }

    #[test]
    fn an_address_over_its_limit_is_refused_until_one_of_its_connections_ends() {
        let (limiter, options) = (Arc::new(ConnectionLimiter::default()), options(10, 2, &[]));
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = limiter.acquire(one, &options).ok().unwrap();
        let _second = limiter.acquire(one, &options).ok().unwrap();
        assert_eq!(limiter.acquire(one, &options).err(), Some(LimitExceeded::PerAddress));
        assert!(limiter.acquire(other, &options).is_ok());
        drop(first);
        assert!(limiter.acquire(one, &options).is_ok());
        assert_eq!(limiter.connections.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn behind_a_trusted_proxy_connections_are_counted_by_the_forwarded_address() {
        let (limiter, options) = (Arc::new(ConnectionLimiter::default()), options(10, 1, &["10.0.0.0/8"]));
        let (proxy, one, other) =
            ("10.0.0.1".parse().unwrap(), "192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let mut permits: Vec<_> = (0..3).map(|_| limiter.acquire(proxy, &options).ok().unwrap()).collect();
        assert_eq!(permits[0].upgrade_to_client(one, &options), Ok(()));
        assert_eq!(permits[1].upgrade_to_client(one, &options), Err(LimitExceeded::PerAddress));
        assert_eq!(permits[2].upgrade_to_client(other, &options), Ok(()));
    }

    #[test]
    fn at_the_limit_of_clients_probes_are_still_accepted() {
        let (limiter, options) = (Arc::new(ConnectionLimiter::default()), options(1, 0, &[]));
        let address = "192.0.2.1".parse().unwrap();
        let mut permits: Vec<_> = (0..2).map(|_| limiter.acquire(address, &options).ok().unwrap()).collect();
        assert_eq!(permits[0].upgrade_to_client(address, &options), Ok(()));
        assert_eq!(permits[1].upgrade_to_client(address, &options), Err(LimitExceeded::Total));
        drop(permits);
        assert_eq!(limiter.clients(), 0);
    }
}
