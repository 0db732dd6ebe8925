use std::future::Future;
use std::panic::resume_unwind;

use tokio_util::task::AbortOnDropHandle;

use super::error::RoundError;

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// Files appeared: the output can be written.
    Published,
    /// None did, because there was nothing to write, or other workers have the jobs.
    Nothing,
}

/// Writes and commits the files of one round while the worker reads the next. There is at most one such write.
#[derive(Default)]
pub(super) struct WriteTask(Option<AbortOnDropHandle<Result<Written, RoundError>>>);

impl WriteTask {
    /// Starts a write. The one before must have been [joined](Self::join).
    pub(super) fn start(
        &mut self,
        write: impl Future<Output = Result<Written, RoundError>> + Send + 'static,
    ) {
        self.0 = Some(AbortOnDropHandle::new(tokio::spawn(write)));
    }

    /// Waits for the write to end and returns its result. Returns at once if there is none.
    pub(super) async fn join(&mut self) -> Result<Written, RoundError> {
        match self.0.take() {
            // A task that is joined was not aborted, so an error can only be a panic.
            Some(write) => write.await.unwrap_or_else(|error| resume_unwind(error.into_panic())),
            None => Ok(Written::Nothing),
        }
    }

    /// Returns the result of the write if it has ended. Does not wait.
    pub(super) async fn check(&mut self) -> Result<Written, RoundError> {
        let has_ended = self.0.as_ref().is_some_and(AbortOnDropHandle::is_finished);
        if has_ended { self.join().await } else { Ok(Written::Nothing) }
    }
}
