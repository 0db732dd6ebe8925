//! What a compaction needs of a bucket: listing and reading objects, and snapshots in `COMPACTED/`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt};

use super::Bucket;
use crate::output::error::OutputError;
use crate::output::folder::day;
use crate::part::{Layout, Part};
use crate::table::Table;

impl Bucket {
    /// The parts of a table, and the day (UTC) of each: the one in its path, or else that on which it was written.
    pub(crate) async fn parts(&self, table: &Table) -> Result<BTreeMap<Part, String>, OutputError> {
        let folder = self.path(table.name());
        let mut objects = self.store.list(Some(&folder));
        let mut parts = BTreeMap::new();
        while let Some(object) =
            objects.try_next().await.map_err(|error| self.failed("list", &folder, &error))?
        {
            let name = object.location.as_ref().strip_prefix(folder.as_ref());
            let Some(part) = name.and_then(|name| Part::parse(name.trim_start_matches('/'))) else {
                continue;
            };
            let of_path = table.day_of(part.folder()).map(str::to_owned);
            let day = of_path.unwrap_or_else(|| day(object.last_modified.into()));
            parts.insert(part, day);
        }
        Ok(parts)
    }

    /// The folder in a table's folder in which a part of a table without partitions should be.
    pub(crate) fn partition(&self, part: &Part, day: &str) -> String {
        match part.folder() {
            "" if self.layout == Layout::Partitioned => format!("dt={day}"),
            folder => folder.to_owned(),
        }
    }

    /// Reads a part of a table. Returns its address and its bytes.
    pub(crate) async fn get(&self, table: &Table, part: &Part) -> Result<(String, Bytes), OutputError> {
        let path = self.part_path(table, part);
        let bytes = self.read(&path).await.map_err(|error| self.failed("get", &path, &error))?;
        Ok((format!("{}/{path}", self.address), bytes))
    }

    /// Writes an object. It replaces one of the same name.
    pub(crate) async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), OutputError> {
        let path = self.path(name);
        let put = self.store.put(&path, bytes.into()).await;
        put.map(drop).map_err(|error| self.failed("put", &path, &error))
    }

    /// The name of the latest complete snapshot.
    pub(crate) async fn latest_snapshot(&self) -> Result<Option<String>, OutputError> {
        let path = self.path(LATEST);
        match self.read(&path).await {
            Ok(name) => Ok(Some(String::from_utf8_lossy(&name).trim().to_owned())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("get", &path, &error)),
        }
    }

    /// Makes a snapshot the latest one. Readers find it from now on.
    pub(crate) async fn set_latest_snapshot(&self, snapshot: &str) -> Result<(), OutputError> {
        self.put(LATEST, snapshot.as_bytes().to_vec()).await
    }

    /// Removes the snapshots that are not in `keep` and to which nothing was added in the last hour.
    pub(crate) async fn remove_old_snapshots(&self, keep: BTreeSet<String>) -> Result<(), OutputError> {
        let folder = self.path(SNAPSHOTS);
        let listed: Result<Vec<ObjectMeta>, Error> = self.store.list(Some(&folder)).try_collect().await;
        let listed = listed.map_err(|error| self.failed("list", &folder, &error))?;
        for path in old_snapshots(&folder, listed, &keep, SystemTime::now() - SNAPSHOT_MIN_AGE) {
            let deleted = self.store.delete(&path).await;
            deleted.map_err(|error| self.failed("delete", &path, &error))?;
        }
        Ok(())
    }

    pub(super) async fn read(&self, path: &Path) -> Result<Bytes, Error> {
        self.store.get(path).await?.bytes().await
    }
}

/// The objects of the snapshots that are not in `keep` and have no object from after `deadline`.
fn old_snapshots(
    folder: &Path,
    listed: Vec<ObjectMeta>,
    keep: &BTreeSet<String>,
    deadline: SystemTime,
) -> Vec<Path> {
    let mut snapshots = BTreeMap::<String, Vec<ObjectMeta>>::new();
    for object in listed {
        let name = object.location.as_ref().strip_prefix(folder.as_ref());
        // The object that is in no snapshot is `latest`.
        if let Some((snapshot, _)) = name.and_then(|name| name.trim_start_matches('/').split_once('/')) {
            snapshots.entry(snapshot.to_owned()).or_default().push(object);
        }
    }
    let is_old = |(name, objects): &(String, Vec<ObjectMeta>)| {
        !keep.contains(name) && objects.iter().all(|object| SystemTime::from(object.last_modified) < deadline)
    };
    snapshots
        .into_iter()
        .filter(is_old)
        .flat_map(|(_, objects)| objects)
        .map(|object| object.location)
        .collect()
}

const SNAPSHOTS: &str = "COMPACTED";
const LATEST: &str = "COMPACTED/latest";
const SNAPSHOT_MIN_AGE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_removed_when_it_is_not_kept_and_is_older_than_an_hour() {
        let now = SystemTime::now();
        let object = |path: &str, age_s| ObjectMeta {
            location: Path::from(path),
            last_modified: (now - Duration::from_secs(age_s)).into(),
            size: 1,
            e_tag: None,
            version: None,
        };
        let listed = vec![
            object("p/COMPACTED/latest", 9_000),
            object("p/COMPACTED/1/GAME_META/part-1.gz.parquet", 9_000),
            object("p/COMPACTED/2/GAME_META/part-1.gz.parquet", 9_000),
            object("p/COMPACTED/2/GAME_PODIUM/part-1.gz.parquet", 60),
            object("p/COMPACTED/3/GAME_META/part-1.gz.parquet", 9_000),
        ];
        let keep = BTreeSet::from(["3".to_owned()]);
        let removed = old_snapshots(&Path::from("p/COMPACTED"), listed, &keep, now - SNAPSHOT_MIN_AGE);
        assert_eq!(removed, [Path::from("p/COMPACTED/1/GAME_META/part-1.gz.parquet")]);
    }
}
