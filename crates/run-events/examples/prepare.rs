//! Prepares the soils of a run: `cargo run -p run-events --example prepare -- --run my-run`.

use clap::Parser;
use run_events::{RedisConfig, RedisPrep, RunId};

#[derive(Parser)]
struct Args {
    /// The run.
    #[arg(long, default_value = "decimal-pleasing", value_parser = |text: &str| RunId::parse(text))]
    run: RunId,
    /// The run's working directory. The dump file is written there.
    #[arg(long, default_value = ".")]
    directory: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (args, redis) = (Args::parse(), RedisConfig::from_env()?);
    let prep = RedisPrep::connect(&redis, args.run, args.directory).await?;

    prep.set_attribute("has_sbs", true).await?;
    prep.set_locked("soils", true).await?;
    // … build the soils …
    prep.timestamp("build_soils").await?;
    prep.set_locked("soils", false).await?;

    for (field, value) in prep.fields().await? {
        println!("{field} = {value}");
    }
    Ok(())
}
