//! Reads both tables from a folder and prints the podium of a game. With `--json` it joins both tables and prints every row.
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
    /// Game to print; the first one if unset
    game: Option<String>,
    /// Join both tables and print every row as a JSON line, in the format of simulate-games
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut superheros = BTreeMap::new();
    visit_rows(&args.output.join("GAME_META"), &mut |row| {
        let before = superheros.insert(player_key(row)?, row.get_ushort(2)?);
        ensure!(before.is_none(), "two rows of the same player: {row}");
        Ok(())
    })?;
    let mut podiums = BTreeMap::<(String, u8, String), [u64; 4]>::new();
    visit_rows(&args.output.join("GAME_PODIUM"), &mut |row| {
        let (game, user) = player_key(row)?;
        let superhero = superheros
            .get(&(game.clone(), user.clone()))
            .with_context(|| format!("GAME_META has no row for {row}"))?;
        let numbers = [(*superhero).into(), row.get_ushort(3)?.into(), row.get_ulong(4)?, row.get_ulong(5)?];
        let before = podiums.insert((game, row.get_ubyte(2)?, user), numbers);
        ensure!(before.is_none(), "two rows of the same player: {row}");
        Ok(())
    })?;
    ensure!(
        podiums.len() == superheros.len(),
        "GAME_PODIUM has {} rows, GAME_META has {}",
        podiums.len(),
        superheros.len()
    );

    let mut out = stdout().lock();
    let game = args.game.or_else(|| podiums.keys().next().map(|(game, ..)| game.clone())).unwrap_or_default();
    if !args.json {
        writeln!(
            out,
            "game {game}\nrank  player                                superhero  rounds    dealt    taken"
        )?;
    }
    for ((row_game, rank, user), [superhero, rounds, received, sent]) in &podiums {
        if args.json {
            let row = json!({
                "game_token": row_game,
                "user_token": user,
                "superhero_id": superhero,
                "rank": rank,
                "rounds": rounds,
                "damage_received": received,
                "damage_sent": sent,
            });
            writeln!(out, "{row}")?;
        } else if *row_game == game {
            writeln!(out, "{rank:>4}  {user:<36}  {superhero:>9}  {rounds:>6}  {sent:>7}  {received:>7}")?;
        }
    }
    Ok(())
}

fn player_key(row: &Row) -> anyhow::Result<(String, String)> {
    Ok((row.get_string(0)?.clone(), row.get_string(1)?.clone()))
}

fn visit_rows(dir: &Path, visit: &mut dyn FnMut(&Row) -> anyhow::Result<()>) -> anyhow::Result<()> {
    for entry in dir.read_dir().with_context(|| format!("list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            visit_rows(&path, visit)?;
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
