use std::fmt;

/// Why a file is no dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetError {
    file: String,
    line: Option<usize>,
    reason: String,
}

impl DatasetError {
    pub(super) fn new(file: &str, line: Option<usize>, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, reason: reason.into() }
    }
}

impl fmt::Display for DatasetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be a dataset: {}", self.file)?;
        self.line.map_or(Ok(()), |line| write!(f, ", line {line}"))?;
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for DatasetError {}
