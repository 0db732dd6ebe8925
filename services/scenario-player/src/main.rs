//! The scenario-player service. The library's documentation says what it does.

use std::process::ExitCode;

use chassis::settings;
use scenario_player::{Config, app};

fn main() -> ExitCode {
    let config: Config = settings::from_env();
    chassis::run(config, app::run)
}
