use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;

use super::merge::MergeOutput;
use crate::part::Codec;

/// Merged files in a folder.
pub(super) struct MergedFiles<'a> {
    dir: &'a Path,
    codec: Codec,
    count: usize,
}

impl<'a> MergedFiles<'a> {
    pub(super) fn new(dir: &'a Path, codec: Codec) -> Self {
        Self { dir, codec, count: 0 }
    }

    /// The number of files that were created.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

impl MergeOutput for MergedFiles<'_> {
    type File = BufWriter<File>;

    fn create(&mut self) -> anyhow::Result<Self::File> {
        self.count += 1;
        let (now, count) = (Timestamp::now().as_millisecond(), self.count);
        let path = self.dir.join(format!("compacted-{now}-{count}.{}", self.codec.extension()));
        let file = File::create_new(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(BufWriter::new(file))
    }

    fn finish(&mut self, file: Self::File) -> anyhow::Result<()> {
        file.into_inner().context("write a merged file")?.sync_all().context("sync a merged file")
    }
}
