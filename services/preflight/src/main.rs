//! Shows browsers, live, which steps of a run's preparation are done and up to date.

use std::process::ExitCode;

use preflight::{Config, app};

fn main() -> ExitCode {
    let config: Config = chassis::settings::from_env();
    chassis::run(config, app::run)
}
