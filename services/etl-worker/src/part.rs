//! The names of output files. A part is one file in each table's folder, under the same name.

use std::fmt;

use redis_core::id::GameToken;

/// The compression of a file's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Codec {
    /// `.gz.parquet`, which every reader can read.
    Gzip,
    /// `.zst.parquet`: smaller files, faster to write.
    Zstd,
    /// `.snappy.parquet`: the fastest to write.
    Snappy,
}

impl Codec {
    const ALL: [Codec; 3] = [Codec::Gzip, Codec::Zstd, Codec::Snappy];

    /// The extension of file names, without a leading dot.
    pub fn extension(self) -> &'static str {
        match self {
            Codec::Gzip => "gz.parquet",
            Codec::Zstd => "zst.parquet",
            Codec::Snappy => "snappy.parquet",
        }
    }
}

/// Where the files are in a table's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// In folders by day, `dt=2026-11-21`, which query engines know as partitions.
    Partitioned,
    /// Files of one game in the table's folder itself, as the original has them. Only files of many games are in folders.
    Flat,
}

/// A part's path below a table's folder: `dt=<day>/<game>_<worker>.gz.parquet` or `dt=<day>/<batch>.gz.parquet`; in the flat
/// layout `<game>_<worker>.gz.parquet`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Part(String);

impl Part {
    /// A part with one game. Its name contains the game, so a game that is planned twice gets the same file again.
    ///
    /// Spark and pyarrow leave files out whose names begin with `_`: there the name begins with `+`, which no game can.
    pub fn of_game(game: &GameToken, worker: &str, codec: Codec) -> Self {
        let visible = if game.as_str().starts_with('_') { "+" } else { "" };
        Self(format!("{visible}{game}_{worker}.{}", codec.extension()))
    }

    /// As [`of_game`](Self::of_game), in the folder of a day (`YYYY-MM-DD`).
    pub fn of_game_on(day: &str, game: &GameToken, worker: &str, codec: Codec) -> Self {
        Self(format!("dt={day}/{}", Self::of_game(game, worker, codec)))
    }

    /// A part with many games, in the folder of a day (`YYYY-MM-DD`). `batch` must be unique.
    pub fn of_batch(day: &str, batch: &str, codec: Codec) -> Self {
        Self(format!("dt={day}/{batch}.{}", codec.extension()))
    }

    /// Parses a path from a plan in Redis or from a listing. `None` if the path could leave the table's folder, or is
    /// not the name of a part.
    pub fn parse(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').collect();
        let is_safe = |segment: &&str| {
            !segment.is_empty() && !segment.starts_with('.') && !segment.contains(char::is_control)
        };
        let is_below_folder = segments.len() <= MAX_SEGMENTS && segments.iter().all(is_safe);
        let has_codec = Codec::ALL.iter().any(|codec| path.ends_with(&format!(".{}", codec.extension())));
        (is_below_folder && has_codec).then(|| Self(path.to_owned()))
    }

    /// The codec according to the file name.
    pub fn codec(&self) -> Codec {
        let codecs = [Codec::Zstd, Codec::Snappy];
        codecs.into_iter().find(|codec| self.0.ends_with(codec.extension())).unwrap_or(Codec::Gzip)
    }

    /// The path relative to the table's folder.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder in the table's folder, such as `dt=2026-11-21`. Empty if the file is in the table's folder itself.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The path of its file in a folder of a table with partitions. The day of a part of the flat layout is not known.
    pub fn path_in(&self, folder: &str) -> String {
        if folder.is_empty() {
            return self.0.clone();
        }
        let day = self.folder().strip_prefix("dt=").unwrap_or(NO_VALUE);
        format!("{}/{}", folder.replace(DAY, day), self.file_name())
    }

    /// The name of the file without its folder. No two parts that are staged have the same.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// In the name of a folder, the day of the message, which is not known when rows are computed.
pub const DAY: &str = "{day}";
/// In the name of a folder, what Hive and all who read its folders take for no value.
pub const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";
/// The most keys that the folders of a table have.
pub const MAX_KEYS: usize = 4;
const MAX_SEGMENTS: usize = MAX_KEYS + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_those_of_the_readme() {
        let game = GameToken::parse("g1").unwrap();
        assert_eq!(Part::of_game(&game, "host-a", Codec::Gzip).as_str(), "g1_host-a.gz.parquet");
        let on_day = Part::of_game_on("2026-11-21", &game, "host-a", Codec::Gzip);
        assert_eq!(on_day.as_str(), "dt=2026-11-21/g1_host-a.gz.parquet");
        let hidden = Part::of_game(&GameToken::parse("_g1").unwrap(), "host-a", Codec::Gzip);
        assert_eq!(hidden.as_str(), "+_g1_host-a.gz.parquet");
        let batch = Part::of_batch("2026-11-21", "b1_host-a", Codec::Zstd);
        assert_eq!(batch.as_str(), "dt=2026-11-21/b1_host-a.zst.parquet");
        assert_eq!(batch.codec(), Codec::Zstd);
        assert_eq!(batch.path_in(""), batch.as_str());
        assert_eq!(batch.path_in("a=1/on={day}"), "a=1/on=2026-11-21/b1_host-a.zst.parquet");
        assert_eq!(Part::parse("a=1/b=2/c=3/d=4/x.gz.parquet").unwrap().folder(), "a=1/b=2/c=3/d=4");
        assert_eq!(Part::parse(batch.as_str()), Some(batch));
    }

    /// A file system takes 255 bytes. While a file is staged, 46 are added at most: `~`, 16 digits, `-`, 20 digits, `-`, 7 digits.
    #[test]
    fn the_longest_names_are_short_enough_for_a_disk() {
        let (game, worker) = (GameToken::parse("g".repeat(128)).unwrap(), "w".repeat(64));
        let part = Part::of_game(&game, &worker, Codec::Snappy);
        assert_eq!(part.file_name().len(), 208);
        let hidden = GameToken::parse(format!("_{}", "g".repeat(127))).unwrap();
        assert_eq!(Part::of_game(&hidden, &worker, Codec::Snappy).file_name().len(), 209);
        let batch = Part::of_batch("2026-11-21", &format!("{worker}-{:016x}-{}", 0, u64::MAX), Codec::Snappy);
        assert!(batch.file_name().len() <= 208, "{batch}");
    }

    #[test]
    fn a_path_that_could_leave_the_folder_is_not_a_part() {
        for path in [
            "../x.gz.parquet",
            "/x.gz.parquet",
            "a/b/c/d/e/f.gz.parquet",
            "x.csv",
            "",
            ".x.gz.parquet",
            "a/../b.gz.parquet",
            "a\nb.gz.parquet",
        ] {
            assert_eq!(Part::parse(path), None, "{path}");
        }
    }
}
