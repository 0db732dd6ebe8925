//! The folder for contents that memory has no room for. Each process has its own folder in it, with a locked file. When a process
//! ends, however it does, its lock ends too: whoever uses the folder next, or uses it already, removes what nobody holds.

mod file;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chassis::unique;
use parking_lot::Mutex;
use redis_core::{State, publish_state};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::object::Hash;
use file::Totals;
pub(crate) use file::{SpillFile, Spilled};

/// How often folders are looked for that nobody holds.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);
/// After a failure nothing is written for this long, and then a file to try it.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
const LOCK: &str = "lock";
/// How the folder of a process begins.
const OWN: &str = "node-";

/// This process's part of the folder.
pub(crate) struct SpillFolder {
    root: PathBuf,
    own: PathBuf,
    lock: Mutex<File>,
    last_file: AtomicU64,
    totals: Arc<Totals>,
    state: watch::Sender<State>,
}

impl SpillFolder {
    /// Makes the folder if it does not exist, removes what ended processes left in it, and makes a folder for this process.
    ///
    /// # Errors
    /// When any of that is not possible.
    pub(crate) fn open(root: &Path) -> io::Result<Arc<Self>> {
        fs::create_dir_all(root)?;
        let own = root.join(format!("{OWN}{:016x}", unique::instance_id()));
        sweep(root)?;
        let lock = Mutex::new(make_own(root, &own)?);
        let (state, _) = watch::channel(Ok(None));
        let (root, totals) = (root.to_owned(), Arc::default());
        Ok(Arc::new(Self { root, own, lock, last_file: AtomicU64::new(0), totals, state }))
    }

    /// Whether contents can be written, for the gate.
    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.state.borrow().is_err()
    }

    /// Files, their bytes, and how often one was read.
    pub(crate) fn totals(&self) -> [u64; 3] {
        let Totals { files, bytes, reads } = &*self.totals;
        [files, bytes, reads].map(|number| number.load(Ordering::Relaxed))
    }

    /// Writes a content to a file of its own. It is removed when nobody has it any more.
    pub(crate) fn write(&self, data: &[u8], hash: Hash) -> io::Result<SpillFile> {
        let path = self.own.join(self.last_file.fetch_add(1, Ordering::Relaxed).to_string());
        let written = write_file(&path, data);
        let state = written.as_ref().map(|()| None).map_err(|error| self.problem(error));
        publish_state(&self.state, state);
        written?;
        Ok(SpillFile::new(path, data.len() as u64, hash, Arc::clone(&self.totals)))
    }

    fn problem(&self, error: &io::Error) -> String {
        format!("contents cannot be written to {}: {error}", self.root.display())
    }

    /// Until `stopped`: removes what ended processes leave, and after a failure tries again. Then removes what this process has.
    pub(crate) async fn keep(self: Arc<Self>, stopped: CancellationToken) -> anyhow::Result<()> {
        let mut swept = Instant::now();
        while stopped.run_until_cancelled(tokio::time::sleep(RETRY_INTERVAL)).await.is_some() {
            let is_due = swept.elapsed() >= SWEEP_INTERVAL;
            if is_due {
                swept = Instant::now();
            }
            let folder = Arc::clone(&self);
            spawn_blocking(move || folder.maintain(is_due)).await?;
        }
        if let Err(error) = spawn_blocking(move || fs::remove_dir_all(&self.own)).await? {
            debug!("cannot remove the folder of spilled contents: {error}");
        }
        Ok(())
    }

    fn maintain(&self, sweeps: bool) {
        if sweeps && let Err(error) = sweep(&self.root) {
            debug!("cannot look for what ended processes left in {}: {error}", self.root.display());
        }
        if !self.has_failed() {
            return;
        }
        // The folder may have been removed, and its parent may be back.
        if !self.own.join(LOCK).exists()
            && let Ok(lock) = make_own(&self.root, &self.own)
        {
            *self.lock.lock() = lock;
        }
        drop(self.write(&[0; 64 << 10], Hash::default()));
    }
}

fn write_file(path: &Path, data: &[u8]) -> io::Result<()> {
    let written =
        OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut file| file.write_all(data));
    if written.is_err() {
        // What is left of it would take the space that is missing.
        let _ = fs::remove_file(path);
    }
    written
}

/// While this is held, no process makes or removes a folder.
fn lock_all(root: &Path) -> io::Result<File> {
    let all = OpenOptions::new().write(true).create(true).truncate(false).open(root.join(LOCK))?;
    all.lock()?;
    Ok(all)
}

/// Makes the folder of a process. It is the process's as long as it has the file.
fn make_own(root: &Path, own: &Path) -> io::Result<File> {
    let _all = lock_all(root)?;
    fs::create_dir_all(own)?;
    let lock = File::create(own.join(LOCK))?;
    lock.try_lock()?;
    Ok(lock)
}

/// Removes the folders that nobody holds.
fn sweep(root: &Path) -> io::Result<()> {
    let _all = lock_all(root)?;
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(OWN)) {
            continue;
        }
        let is_held = match File::open(path.join(LOCK)).map(|lock| lock.try_lock()) {
            Ok(Err(TryLockError::WouldBlock)) => true,
            Ok(Err(TryLockError::Error(error))) => return Err(error),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => false,
        };
        if !is_held {
            match fs::remove_dir_all(&path) {
                Ok(()) => info!("removed {}, which a process left that has ended", path.display()),
                Err(error) => warn!("cannot remove {}, which a process left: {error}", path.display()),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
