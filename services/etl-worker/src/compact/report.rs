use std::fmt;

/// What a compaction did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CompactionReport {
    /// Files before, in both tables.
    pub files_before: usize,
    /// Files after, in both tables.
    pub files_after: usize,
    /// Rows that were rewritten.
    pub rows: u64,
    /// Where the merged files are, if they do not replace the small ones.
    pub snapshot: Option<String>,
}

impl fmt::Display for CompactionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files_before, files_after, rows, snapshot } = self;
        write!(f, "{files_before} files became {files_after}; {rows} rows were rewritten")?;
        snapshot.as_ref().map_or(Ok(()), |snapshot| write!(f, " to {snapshot}"))
    }
}
