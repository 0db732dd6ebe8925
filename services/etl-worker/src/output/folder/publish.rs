use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use futures_util::stream::{self, StreamExt};
use rustix::fs::FlockOperation;

use super::Folder;
use crate::output::error::OutputError;
use crate::output::files::{create_dir, failed, run_blocking, sync_dir, write_synced};
use crate::output::rename::rename_without_replacing;
use crate::output::staged::{PartContent, Staged, StagedFile};
use crate::part::Part;
use crate::table::Table;

impl Folder {
    pub(crate) async fn stage(&self, contents: Vec<PartContent>) -> Result<Staged, OutputError> {
        let staged =
            Staged::new(contents.iter().map(|content| (content.part.clone(), content.files())).collect());
        let writes = contents.into_iter().map(|content| {
            let (folder, part, id) = (self.clone(), content.part.clone(), staged.id);
            let write = run_blocking(move || {
                for (number, file) in content.encode()?.into_iter().enumerate() {
                    let path = folder.staged_path(&file.table, &content.part, id, number);
                    write_synced(&path, &file.bytes).or_else(|_| {
                        create_dir(&folder.staging(&file.table))?;
                        write_synced(&path, &file.bytes)
                    })?;
                }
                Ok(())
            });
            async move { write.await.map_err(|error| error.of_part(&part)) }
        });
        // Waits for all of them: when a failure is returned, nothing is being written any more.
        let written: Vec<Result<(), OutputError>> =
            stream::iter(writes).buffer_unordered(CONCURRENT_WRITES).collect().await;
        let mut refused = Vec::new();
        let mut failure = None;
        for error in written.into_iter().filter_map(Result::err) {
            match error {
                OutputError::Refused(parts) => refused.extend(parts),
                error => failure = Some(error),
            }
        }
        let failure = failure.or_else(|| (!refused.is_empty()).then_some(OutputError::Refused(refused)));
        match failure {
            None => Ok(staged),
            Some(error) => {
                self.discard(staged).await;
                Err(error)
            }
        }
    }

    pub(crate) async fn publish(&self, staged: Staged) -> Result<(), OutputError> {
        let folder = self.clone();
        run_blocking(move || {
            let published = folder.rename_all(&staged);
            folder.remove_staged(&staged);
            published
        })
        .await
    }

    pub(crate) async fn discard(&self, staged: Staged) {
        let folder = self.clone();
        // Files that cannot be removed now are removed when they are old.
        let _ = run_blocking(move || {
            folder.remove_staged(&staged);
            Ok(())
        })
        .await;
    }

    fn staged_path(&self, table: &Table, part: &Part, id: u64, number: usize) -> PathBuf {
        // The name begins with the part, so that `fence` finds what any worker has staged for it.
        self.staging(table).join(format!("{}~{}-{id}-{number}", part.file_name(), self.process))
    }

    fn rename_all(&self, staged: &Staged) -> Result<(), OutputError> {
        let _lock = self.lock(FlockOperation::LockShared)?;
        let mut changed_dirs = BTreeSet::new();
        for (part, files) in &staged.parts {
            for (number, file) in files.iter().enumerate() {
                let from = self.staged_path(&file.table, part, staged.id, number);
                self.rename(&from, file, part, &mut changed_dirs)?;
            }
        }
        changed_dirs.iter().try_for_each(|dir| sync_dir(dir))
    }

    /// Renames a staged file to its final name. `changed` gets the folders that have to be synced.
    fn rename(
        &self,
        from: &Path,
        file: &StagedFile,
        part: &Part,
        changed: &mut BTreeSet<PathBuf>,
    ) -> Result<(), OutputError> {
        let to = self.table(&file.table).join(&file.path);
        let dir = to.parent().unwrap_or(&self.root);
        let renamed = rename_without_replacing(from, &to).or_else(|error| {
            if error.kind() != ErrorKind::NotFound {
                return Err(error);
            }
            fs::create_dir_all(dir)?;
            changed.extend(dir.ancestors().take_while(|dir| dir.starts_with(&self.root)).map(Path::to_owned));
            rename_without_replacing(from, &to)
        });
        changed.insert(dir.to_owned());
        match renamed {
            Ok(()) => Ok(()),
            // Another worker published the part before.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(OutputError::Fenced(part.clone())),
            Err(error) => Err(failed("rename to", &to, error)),
        }
    }

    fn remove_staged(&self, staged: &Staged) {
        for (part, files) in &staged.parts {
            for (number, file) in files.iter().enumerate() {
                let _ = fs::remove_file(self.staged_path(&file.table, part, staged.id, number));
            }
        }
    }
}

const CONCURRENT_WRITES: usize = 4;
