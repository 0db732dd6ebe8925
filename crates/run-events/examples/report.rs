//! Reports the progress of a run: `cargo run -p run-events --example report -- --run my-run --channel soils`.

use clap::Parser;
use run_events::{ChannelName, RedisConfig, RunId, StatusMessenger};

#[derive(Parser)]
struct Args {
    /// The run.
    #[arg(long, default_value = "decimal-pleasing", value_parser = |text: &str| RunId::parse(text))]
    run: RunId,
    /// The status channel.
    #[arg(long, default_value = "soils", value_parser = |text: &str| ChannelName::parse(text))]
    channel: ChannelName,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (args, redis) = (Args::parse(), RedisConfig::from_env()?);
    let messenger = StatusMessenger::new(redis);
    for soil in 1..=3 {
        messenger.publish(&args.run, &args.channel, &format!("building soil {soil}/3")).await?;
    }
    messenger.publish(&args.run, &args.channel, "TRIGGER soils BUILD_SOILS_TASK_COMPLETED").await?;
    Ok(())
}
