use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::merge::Merger;
use super::merged_files::MergedFiles;
use super::split::Split;
use crate::output::OutputError;
use crate::output::files::failed;
use crate::output::folder::Folder;
use crate::part::{Codec, Part};
use crate::table::Table;

/// The files of a table in a folder.
pub(super) struct TableFiles {
    pub(super) folder: Folder,
    pub(super) table: Arc<Table>,
    /// The compression of merged files.
    pub(super) codec: Codec,
}

impl TableFiles {
    /// Opens a file. Returns its path too, for errors.
    pub(super) fn open(&self, part: &Part) -> Result<(PathBuf, File), OutputError> {
        let path = self.folder.table(&self.table).join(part.as_str());
        let file = File::open(&path).map_err(|error| failed("open", &path, error))?;
        Ok((path, file))
    }

    /// Merges `parts` into new files in `dir`. Returns the number of files and of rows.
    pub(super) fn merge(&self, dir: PathBuf, parts: &[&Part]) -> anyhow::Result<(usize, u64)> {
        let mut outputs = MergedFiles::new(dir, self.codec)?;
        let mut merger = Merger::new(&self.table, self.codec);
        for part in parts {
            let (path, file) = self.open(part)?;
            merger.add(file, &mut outputs).with_context(|| format!("read {}", path.display()))?;
        }
        let rows = merger.finish(&mut outputs)?;
        Ok((outputs.count(), rows))
    }

    /// Distributes the rows of `parts` over their partitions below `dir`. Returns the number of files and of rows.
    pub(super) fn split(&self, dir: &Path, parts: &[&Part]) -> anyhow::Result<(usize, u64)> {
        let mut split = Split::new(&self.table, self.codec);
        for part in parts {
            let (path, file) = self.open(part)?;
            let output = |folder: &str| Ok(MergedFiles::new(dir.join(folder), self.codec)?);
            let added = split.add(file, &self.folder.day_of(&self.table, part)?, output);
            added.with_context(|| format!("read {}", path.display()))?;
        }
        split.finish()?;
        Ok((split.complete.iter().map(|(_, files)| files.count()).sum(), split.rows))
    }
}
