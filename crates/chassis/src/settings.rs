//! Settings: one `clap` struct per service is the only description of them.
//!
//! Its fields' doc comments are the `--help` lines, its `env` names the variables, and its value parsers check the values.
//! Flags win over the environment, and the environment wins over a `.env` file in the working directory. An empty
//! variable counts as unset. With a [`Service::prefix`], `PREFIX_NAME` wins over `NAME` for every variable. In a section
//! that several services share, a variable that is written `_NAME` is read as `PREFIX_NAME` only.

mod definition;
mod error;
mod parse;

use std::ffi::OsString;
use std::path::Path;
use std::process::exit;

use tracing::error;

use crate::{probe, telemetry};
use parse::{Stop, Vars, parse};

pub use definition::{ProcessSettings, Service, Settings};
pub use error::SettingError;
pub use parse::command;

/// Reads the settings of this process.
///
/// Answers `--help`, `--version` and `--health` itself. A setting that cannot be used ends the process with exit code 2
/// and one line on standard error that names the variable.
pub fn from_env<T: Settings>() -> T {
    from_env_over(Ok(Vec::new()))
}

/// Like [`from_env`], with a settings file below all other sources: `file` holds what it says, as variables.
///
/// A file that cannot be used ends the process as a variable does.
pub fn from_env_over<T: Settings>(file: Result<Vec<(String, String)>, SettingError>) -> T {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut vars = Vars::new();
    let sources = [
        file.map(|pairs| pairs.into_iter().map(|(name, text)| (name, text.into())).collect()),
        dotenv(Path::new(".env")),
        Ok(environment()),
    ];
    let mut refused = None;
    for source in sources {
        match source {
            Ok(more) => vars.extend(more),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    let settings =
        match refused.map_or_else(|| parse::<T>(&vars, args.clone()), |error| Err(Stop::Refuse(error))) {
            Ok(settings) => settings,
            // `--help` and `--version`, which clap prints itself.
            Err(Stop::Answer(answer)) => answer.exit(),
            Err(Stop::Refuse(error)) => refuse::<T>(&error, &vars, &args),
        };
    if settings.process().health {
        exit(i32::from(!probe::is_healthy(&settings.process().listen_addr)));
    }
    settings
}

/// Reads settings from the given variables only, for tests.
///
/// # Errors
/// The first setting that cannot be used.
pub fn from_vars<T: Settings>(
    vars: impl IntoIterator<Item = (&'static str, &'static str)>,
) -> Result<T, SettingError> {
    from_pairs(vars.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())))
}

/// Like [`from_vars`], for variables that were read from a file.
///
/// # Errors
/// The first setting that cannot be used.
pub fn from_pairs<T: Settings>(vars: impl IntoIterator<Item = (String, String)>) -> Result<T, SettingError> {
    let vars = vars.into_iter().map(|(name, text)| (name, text.into())).collect();
    parse(&vars, Vec::new()).map_err(|stop| match stop {
        Stop::Refuse(error) => error,
        Stop::Answer(answer) => SettingError::new("arguments", answer.to_string()),
    })
}

fn dotenv(path: &Path) -> Result<Vars, SettingError> {
    let fail = |error: dotenvy::Error| SettingError::new(".env", format!("cannot be read: {error}"));
    if !path.exists() {
        return Ok(Vars::new());
    }
    let pairs = dotenvy::from_path_iter(path).map_err(fail)?;
    pairs.map(|pair| pair.map(|(name, text)| (name, text.into()))).collect::<Result<_, _>>().map_err(fail)
}

fn environment() -> Vars {
    let set = std::env::vars_os().filter(|(_, text)| !text.is_empty());
    set.filter_map(|(name, text)| Some((name.into_string().ok()?, text))).collect()
}

/// Ends the process with one line that says which setting is wrong, in the log format that the other settings ask for.
fn refuse<T: Settings>(error: &SettingError, vars: &Vars, args: &[OsString]) -> ! {
    if parse::asks_for_json(vars, args, T::SERVICE.prefix) {
        telemetry::init_json();
        error!("{error}");
    } else {
        eprintln!("{}: {error}", T::SERVICE.name);
    }
    exit(2)
}

#[cfg(test)]
mod tests;
