use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;

/// The tables of the dataset superhero.
#[derive(Clone, Copy)]
pub(crate) enum Table {
    Meta,
    Podium,
}

impl Table {
    pub(crate) const ALL: [Table; 2] = [Table::Meta, Table::Podium];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Table::Meta => "GAME_META",
            Table::Podium => "GAME_PODIUM",
        }
    }
}

/// The rows of both tables by game and player: the superhero; rank, rounds, damage received and damage sent.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub(crate) struct Tables {
    pub(crate) meta: BTreeMap<(String, String), u64>,
    pub(crate) podium: BTreeMap<(String, String), [u64; 4]>,
}

impl Tables {
    pub(crate) fn games(&self) -> Vec<String> {
        let mut games: Vec<String> = self.meta.keys().map(|(game, _)| game.clone()).collect();
        games.dedup();
        games
    }

    pub(crate) fn add(&mut self, more: Tables) {
        self.meta.extend(more.meta);
        self.podium.extend(more.podium);
    }
}

/// Reads the rows of all files in a folder. Fails with `NotFound` if a file was replaced after it was listed; the caller
/// must read again.
pub(crate) fn read_tables(output: &Path) -> std::io::Result<Tables> {
    let mut tables = Tables::default();
    for table in Table::ALL {
        for path in list_files(&output.join(table.name())) {
            let reader = SerializedFileReader::new(File::open(&path)?).unwrap();
            for row in reader.get_row_iter(None).unwrap() {
                let row = row.unwrap();
                let player = (row.get_string(0).unwrap().clone(), row.get_string(1).unwrap().clone());
                let twice = match table {
                    Table::Meta => tables.meta.insert(player, row.get_ushort(2).unwrap().into()).is_some(),
                    Table::Podium => {
                        let small = [row.get_ubyte(2).unwrap().into(), row.get_ushort(3).unwrap().into()];
                        let numbers =
                            [small[0], small[1], row.get_ulong(4).unwrap(), row.get_ulong(5).unwrap()];
                        tables.podium.insert(player, numbers).is_some()
                    }
                };
                assert!(!twice, "{} has a row that another file has too", path.display());
            }
        }
    }
    Ok(tables)
}

pub(crate) fn list_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = dir.read_dir() else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(list_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            found.push(path);
        }
    }
    found.sort();
    found
}
