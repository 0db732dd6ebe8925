//! Warnings that are given once.

use std::collections::HashSet;

use parking_lot::Mutex;

/// Remembers what was warned about, so that a bad value that is read again and again is logged once.
#[derive(Default)]
pub(crate) struct WarnOnce(Mutex<HashSet<String>>);

impl WarnOnce {
    /// True the first time that it is asked about this.
    pub(crate) fn is_first(&self, about: &str) -> bool {
        let mut warned = self.0.lock();
        if warned.len() >= CAPACITY {
            warned.clear();
        }
        warned.insert(about.to_owned())
    }
}

/// Beyond this many different ones all are forgotten, and may be logged again.
const CAPACITY: usize = 10_000;
