//! The ways in which an operation on the timeline fails.

/// Why Redis did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unavailable {
    /// It did not answer, or it refused. The same may succeed later.
    #[error("the timeline's redis does not answer: {0}")]
    Refused(String),
    /// A key holds something that is not what it should be. It stays so until somebody repairs it.
    #[error("the data of this scenario in redis is unusable: {0}")]
    BadData(String),
}
