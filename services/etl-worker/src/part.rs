//! The names of files. A part is one file in each table's folder, under the same name.

use std::fmt;

use redis_core::id::GameToken;

/// How a file's columns are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Codec {
    /// `.gz.parquet`, which every reader knows.
    Gzip,
    /// `.zst.parquet`: smaller and faster.
    Zstd,
    /// `.snappy.parquet`: fastest.
    Snappy,
}

impl Codec {
    /// What file names end with.
    pub fn extension(self) -> &'static str {
        match self {
            Codec::Gzip => "gz.parquet",
            Codec::Zstd => "zst.parquet",
            Codec::Snappy => "snappy.parquet",
        }
    }
}

/// A part's path below a table's folder: `<game>_<worker>.gz.parquet`, or `dt=<day>/<batch>.gz.parquet`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Part(String);

impl Part {
    /// The part that holds one game. Its name says which, so that a game that was planned twice meets its own file.
    pub fn of_game(game: &GameToken, worker: &str, codec: Codec) -> Self {
        Self(format!("{game}_{worker}.{}", codec.extension()))
    }

    /// A part of many games, in the folder of a day (`YYYY-MM-DD`). `batch` is never used twice.
    pub fn of_batch(day: &str, batch: &str, codec: Codec) -> Self {
        Self(format!("dt={day}/{batch}.{}", codec.extension()))
    }

    /// A part by its path, as a plan in Redis or a listing has it; none if it could lie elsewhere or is no such file.
    pub fn parse(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').collect();
        let plain =
            |segment: &&str| !segment.is_empty() && !segment.starts_with('.') && !segment.contains('\0');
        let fits = segments.len() <= 2 && segments.iter().all(plain);
        let codecs = [Codec::Gzip, Codec::Zstd, Codec::Snappy];
        let known = codecs.iter().any(|codec| path.ends_with(&format!(".{}", codec.extension())));
        (fits && known).then(|| Self(path.to_owned()))
    }

    /// The codec that the name promises.
    pub fn codec(&self) -> Codec {
        let codecs = [Codec::Zstd, Codec::Snappy];
        codecs.into_iter().find(|codec| self.0.ends_with(codec.extension())).unwrap_or(Codec::Gzip)
    }

    /// The path below the table's folder.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder below the table's, such as `dt=2026-11-21`; empty for the table's own.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The path as a plain file name, for files set aside.
    pub fn flat(&self) -> String {
        self.0.replace('/', "__")
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_readme() {
        let game = GameToken::parse("g1").unwrap();
        assert_eq!(Part::of_game(&game, "host-a", Codec::Gzip).as_str(), "g1_host-a.gz.parquet");
        let batch = Part::of_batch("2026-11-21", "b1_host-a", Codec::Zstd);
        assert_eq!(batch.as_str(), "dt=2026-11-21/b1_host-a.zst.parquet");
        assert_eq!(batch.codec(), Codec::Zstd);
        assert_eq!(Part::parse(batch.as_str()), Some(batch));
    }

    #[test]
    fn a_path_that_could_lie_elsewhere_is_no_part() {
        for path in [
            "../x.gz.parquet",
            "/x.gz.parquet",
            "a/b/c.gz.parquet",
            "x.csv",
            "",
            ".x.gz.parquet",
            "a/../b.gz.parquet",
        ] {
            assert_eq!(Part::parse(path), None, "{path}");
        }
    }
}
