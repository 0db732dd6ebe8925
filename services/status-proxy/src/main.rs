//! Carries the status lines of long-running work from Redis Pub/Sub to browsers.

use std::process::ExitCode;

use chassis::settings;
use status_proxy::{Config, app};

fn main() -> ExitCode {
    let config: Config = settings::from_env();
    chassis::run(config, app::run)
}
