//! What SIGHUP reads again.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{info, warn};

type Read = Box<dyn Fn() -> anyhow::Result<()> + Send>;

/// What can be read again, by name. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Reloads(Arc<Mutex<Vec<(&'static str, Read)>>>);

impl Reloads {
    pub(super) fn add(&self, name: &'static str, read: impl Fn() -> anyhow::Result<()> + Send + 'static) {
        self.0.lock().push((name, Box::new(read)));
    }

    /// Reads everything again, and logs what came of it.
    pub(super) fn run(&self) {
        let reloads = self.0.lock();
        if reloads.is_empty() {
            info!("SIGHUP: nothing to read again");
        }
        for (name, read) in reloads.iter() {
            match read() {
                Ok(()) => info!("SIGHUP: {name} was read again"),
                Err(reason) => warn!("SIGHUP: {name} cannot be read again, so nothing changes: {reason:#}"),
            }
        }
    }
}
