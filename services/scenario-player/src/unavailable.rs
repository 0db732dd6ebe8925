//! The one way in which an operation on the timeline fails.

/// Redis did not do what it was asked, for this reason.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the timeline's redis does not answer: {0}")]
pub(crate) struct Unavailable(pub String);
