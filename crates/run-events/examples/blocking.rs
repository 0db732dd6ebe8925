//! Both types in a program without async: `cargo run -p run-events --example blocking -- --run my-run`.

use clap::Parser;
use run_events::blocking::{RedisPrep, StatusMessenger};
use run_events::{ChannelName, RedisConfig, RunId};

#[derive(Parser)]
struct Args {
    /// The run.
    #[arg(long, default_value = "decimal-pleasing", value_parser = |text: &str| RunId::parse(text))]
    run: RunId,
    /// The run's working directory. The dump file is written there.
    #[arg(long, default_value = ".")]
    directory: String,
}

fn main() -> anyhow::Result<()> {
    let (args, redis) = (Args::parse(), RedisConfig::from_env()?);
    let climate = ChannelName::parse("climate")?;
    let prep = RedisPrep::connect(&redis, args.run.clone(), args.directory)?;
    let messenger = StatusMessenger::new(redis)?;

    messenger.publish(&args.run, &climate, "build_climate started")?;
    prep.timestamp("build_climate")?;
    messenger.publish(&args.run, &climate, "build_climate completed")?;
    Ok(())
}
