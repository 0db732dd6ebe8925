//! The write under way.

use std::future::Future;
use std::panic::resume_unwind;

use tokio_util::task::AbortOnDropHandle;

use super::RoundError;

/// A round's files that are being written and committed while the next round is read; none at first.
#[derive(Default)]
pub(super) struct Writing(Option<AbortOnDropHandle<Result<(), RoundError>>>);

impl Writing {
    /// Begins, after the [`end`](Self::end) of the one before.
    pub(super) fn begin(&mut self, write: impl Future<Output = Result<(), RoundError>> + Send + 'static) {
        self.0 = Some(AbortOnDropHandle::new(tokio::spawn(write)));
    }

    /// Waits for it, and says how it went.
    pub(super) async fn end(&mut self) -> Result<(), RoundError> {
        match self.0.take() {
            // It is never aborted before its end is waited for, so it can only have panicked.
            Some(write) => write.await.unwrap_or_else(|died| resume_unwind(died.into_panic())),
            None => Ok(()),
        }
    }

    /// How it went, if it has ended.
    pub(super) async fn look(&mut self) -> Result<(), RoundError> {
        let has_ended = self.0.as_ref().is_some_and(AbortOnDropHandle::is_finished);
        if has_ended { self.end().await } else { Ok(()) }
    }
}
