//! Plays a recorded run into Redis: its timestamps, attributes and locks for preflight, and its status lines for
//! status-proxy.
//!
//! `cargo run -p run-events --example play_run -- --speed 4 crates/run-events/examples/data/decimal-pleasing.jsonl`
//!
//! A recording has one JSON object per line: `at`, the seconds since the start, and one event.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use std::{env, fs};

use anyhow::{Context, ensure};
use clap::Parser;
use run_events::{ChannelName, RedisConfig, RedisPrep, RunId, StatusMessenger};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

#[derive(Parser)]
struct Args {
    /// The recording.
    recording: PathBuf,
    /// The run id to use [default: the name of the recording].
    #[arg(long, value_parser = |text: &str| RunId::parse(text))]
    run: Option<RunId>,
    /// The speed, as a multiple of the recorded one.
    #[arg(long, default_value_t = 1.0, value_parser = parse_positive)]
    speed: f64,
    /// The run's working directory, for the dump file [default: the system's directory for temporary files].
    #[arg(long)]
    directory: Option<PathBuf>,
}

#[derive(Deserialize)]
struct RecordedEvent {
    at: f64,
    #[serde(flatten)]
    event: Event,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Timestamp(String),
    Attribute(String, bool),
    Lock(String),
    Unlock(String),
    Status(String, String),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (args, redis) = (Args::parse(), RedisConfig::from_env()?);
    let recording = read_recording(&args.recording)?;
    let run = match args.run {
        Some(run) => run,
        None => RunId::parse(args.recording.file_stem().unwrap_or_default().to_string_lossy())?,
    };
    let directory = args.directory.unwrap_or_else(env::temp_dir);
    let prep = RedisPrep::connect(&redis, run.clone(), directory).await?;
    let messenger = StatusMessenger::new(redis);

    // Timestamps keep the intervals of the recording, so that the order of the tasks is kept at any speed. The last one is
    // the end of the playback.
    let length = recording.last().map_or(0.0, |last| last.at);
    let last_task_at = SystemTime::now() + Duration::from_secs_f64(length / args.speed);
    let started = Instant::now();
    for RecordedEvent { at, event } in &recording {
        sleep_until(started + Duration::from_secs_f64(at / args.speed)).await;
        match event {
            Event::Timestamp(task) => {
                prep.timestamp_at(task, last_task_at - Duration::from_secs_f64(length - at)).await?;
            }
            Event::Attribute(name, value) => prep.set_attribute(name, *value).await?,
            Event::Lock(name) => prep.set_locked(name, true).await?,
            Event::Unlock(name) => prep.set_locked(name, false).await?,
            Event::Status(channel, line) => {
                messenger.publish(&run, &ChannelName::parse(channel)?, line).await?;
            }
        }
    }
    println!("played {} events of {run} in {:.1} s", recording.len(), started.elapsed().as_secs_f64());
    Ok(())
}

fn read_recording(path: &PathBuf) -> anyhow::Result<Vec<RecordedEvent>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let mut recording = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let location = || format!("{} line {}", path.display(), number + 1);
        let recorded: RecordedEvent = serde_json::from_str(line).with_context(location)?;
        let previous = recording.last().map_or(0.0, |previous: &RecordedEvent| previous.at);
        ensure!(recorded.at >= previous, "{}: at must not go back", location());
        recording.push(recorded);
    }
    Ok(recording)
}

fn parse_positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("must be a number greater than 0".to_owned()),
    }
}
