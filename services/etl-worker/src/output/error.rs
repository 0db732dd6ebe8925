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
        /// Whether only the name of the file is at fault, so that other files can be written.
        is_name: bool,
    },
    /// The output does not accept the names of these parts. Others can be written.
    #[error("the output refuses {} file names", .0.len())]
    Refused(Vec<RefusedPart>),
    /// The staged files are gone: another worker took the job over and finished it.
    #[error("the staged files of {0} are gone")]
    Fenced(Part),
}

impl OutputError {
    pub(crate) fn new(operation: impl Into<String>, reason: impl ToString) -> Self {
        Self::Failed { operation: operation.into(), reason: reason.to_string(), is_name: false }
    }

    /// The error of an operation on the files of a part.
    pub(crate) fn of_part(self, part: &Part) -> Self {
        match self {
            Self::Failed { operation, reason, is_name: true } => {
                let reason = format!("{operation}: {reason}");
                Self::Refused(vec![RefusedPart { part: part.clone(), reason }])
            }
            other => other,
        }
    }
}

/// A part whose name the output does not accept.
#[derive(Debug)]
pub struct RefusedPart {
    /// The part.
    pub part: Part,
    /// What was attempted, and why it failed.
    pub reason: String,
}
