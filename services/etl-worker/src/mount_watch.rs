//! Notices that a folder does not answer: a file system whose server is gone blocks whoever uses it, for hours.

use std::time::Duration;

use chassis::Gate;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::output::folder::Folder;

/// Writes a small file now and then, beside the worker, which may be blocked.
pub struct MountWatch {
    /// The folder.
    pub folder: Folder,
    /// Open while the folder answers, whatever the answer is.
    pub gate: Gate,
}

impl MountWatch {
    /// Watches until `stopping` is cancelled.
    ///
    /// # Errors
    /// Never: what fails is the worker's to report.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        stopping.run_until_cancelled(self.watch()).await;
        Ok(())
    }

    async fn watch(&self) {
        loop {
            let mut touch = Box::pin(self.folder.touch());
            if timeout(PATIENCE, &mut touch).await.is_err() {
                let (root, seconds) = (self.folder.root().display(), PATIENCE.as_secs());
                self.gate.close(format!("{root} has not answered for {seconds} s: its file system hangs"));
                // One blocked thread is enough.
                let _ = touch.await;
            }
            self.gate.open();
            sleep(INTERVAL).await;
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_secs(5);
