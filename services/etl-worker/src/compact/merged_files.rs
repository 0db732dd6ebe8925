use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use jiff::Timestamp;

use super::merge::MergeOutput;
use crate::output::OutputError;
use crate::output::files::create_dir;
use crate::part::Codec;

/// Merged files in a folder.
pub(super) struct MergedFiles {
    dir: PathBuf,
    codec: Codec,
    count: usize,
}

impl MergedFiles {
    /// Of a folder, which is created if it does not exist.
    pub(super) fn new(dir: PathBuf, codec: Codec) -> Result<Self, OutputError> {
        create_dir(&dir)?;
        Ok(Self { dir, codec, count: 0 })
    }

    /// The number of files that were created.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

impl MergeOutput for MergedFiles {
    type File = BufWriter<File>;

    fn create(&mut self) -> anyhow::Result<Self::File> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        self.count += 1;
        let (now, number) = (Timestamp::now().as_millisecond(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = self.dir.join(format!("compacted-{now}-{number}.{}", self.codec.extension()));
        let file = File::create_new(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(BufWriter::new(file))
    }

    fn finish(&mut self, file: Self::File) -> anyhow::Result<()> {
        file.into_inner().context("write a merged file")?.sync_all().context("sync a merged file")
    }
}
