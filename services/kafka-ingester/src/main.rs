//! kafka-ingester: see the README.

use std::process::ExitCode;

use chassis::settings;
use kafka_ingester::{Config, app};

fn main() -> ExitCode {
    let config: Config = settings::from_env();
    chassis::run(config, app::run)
}
