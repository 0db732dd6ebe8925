//! Reads both tables back from a folder and prints the podium of a game, or with `--json` every row of both, joined.
//!
//! `cargo run -p etl-worker --example print-podium -- data/superhero`

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Parser;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Row, RowAccessor};
use serde_json::json;

#[derive(Parser)]
#[command(about = "Prints the podium of a game from the Parquet files")]
struct Args {
    /// The folder that holds GAME_META/ and GAME_PODIUM/
    output: PathBuf,
    /// Which game; the first if none is named
    game: Option<String>,
    /// Print every row of both tables as JSON lines, as simulate-games prints the truth
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut heros = BTreeMap::new();
    each_row(&args.output.join("GAME_META"), &mut |row| {
        let twice = heros.insert(player(row)?, row.get_ushort(2)?);
        ensure!(twice.is_none(), "a player is there twice: {row}");
        Ok(())
    })?;
    let mut podiums = BTreeMap::<(String, u8, String), [u64; 4]>::new();
    each_row(&args.output.join("GAME_PODIUM"), &mut |row| {
        let (game, user) = player(row)?;
        let hero =
            heros.get(&(game.clone(), user.clone())).with_context(|| format!("no superhero of {row}"))?;
        let numbers = [(*hero).into(), row.get_ushort(3)?.into(), row.get_ulong(4)?, row.get_ulong(5)?];
        let twice = podiums.insert((game, row.get_ubyte(2)?, user), numbers);
        ensure!(twice.is_none(), "a player is there twice: {row}");
        Ok(())
    })?;
    ensure!(
        podiums.len() == heros.len(),
        "{} players in one table, {} in the other",
        podiums.len(),
        heros.len()
    );

    let mut out = stdout().lock();
    let game = args.game.or_else(|| podiums.keys().next().map(|(game, ..)| game.clone())).unwrap_or_default();
    if !args.json {
        writeln!(
            out,
            "game {game}\nrank  player                                superhero  rounds    dealt    taken"
        )?;
    }
    for ((of, rank, user), [hero, rounds, received, sent]) in &podiums {
        if args.json {
            let row = json!({
                "game_token": of,
                "user_token": user,
                "superhero_id": hero,
                "rank": rank,
                "rounds": rounds,
                "damage_received": received,
                "damage_sent": sent,
            });
            writeln!(out, "{row}")?;
        } else if *of == game {
            writeln!(out, "{rank:>4}  {user:<36}  {hero:>9}  {rounds:>6}  {sent:>7}  {received:>7}")?;
        }
    }
    Ok(())
}

fn player(row: &Row) -> anyhow::Result<(String, String)> {
    Ok((row.get_string(0)?.clone(), row.get_string(1)?.clone()))
}

fn each_row(dir: &Path, visit: &mut dyn FnMut(&Row) -> anyhow::Result<()>) -> anyhow::Result<()> {
    for entry in dir.read_dir().with_context(|| format!("list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            each_row(&path, visit)?;
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            let reader = SerializedFileReader::new(File::open(&path)?)
                .with_context(|| format!("read {}", path.display()))?;
            for row in reader.get_row_iter(None)? {
                visit(&row?)?;
            }
        }
    }
    Ok(())
}
