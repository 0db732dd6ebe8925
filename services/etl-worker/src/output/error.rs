use crate::part::Part;

/// Why files could not be written. The cause is the output, never a game.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// An operation failed.
    #[error("{operation}: {reason}")]
    Failed {
        /// What was attempted, with the path.
        operation: String,
        /// Why it failed.
        reason: String,
    },
    /// The staged files are gone: another worker took the job over and finished it.
    #[error("the staged files of {0} are gone")]
    Fenced(Part),
}

impl OutputError {
    pub(crate) fn new(operation: impl Into<String>, reason: impl ToString) -> Self {
        Self::Failed { operation: operation.into(), reason: reason.to_string() }
    }
}
