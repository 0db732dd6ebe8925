//! Settings: one `clap` struct per service is the only description of them.
//!
//! Its fields' doc comments are the `--help` lines, its `env` names the variables, and its value parsers check the values.
//! Flags win over the environment, and the environment wins over a `.env` file in the working directory. An empty
//! variable counts as unset. With a [`Service::prefix`], `PREFIX_NAME` wins over `NAME` for every variable. In a section
//! that several services share, a variable that is written `_NAME` is read as `PREFIX_NAME` only. A secret `NAME`, which
//! is declared with `hide_env_values = true`, may come from the file that `NAME_FILE` names.

mod command;
mod definition;
mod dotenv;
mod environment;
mod error;
mod parse;
mod secret_files;
mod settings_file;
mod typos;
mod variables;

use std::ffi::OsString;
use std::path::Path;
use std::process::exit;

use tracing::{error, warn};

use crate::{one_line, probe, telemetry};
use parse::{Stop, parse};
use settings_file::Places;
use variables::Vars;

pub use command::{command, undocumented};
pub use definition::{ProcessSettings, Service, Settings};
pub use error::SettingError;
pub use settings_file::FileValue;

/// Reads the settings of this process.
///
/// Answers `--help`, `--version` and `--health` itself. A setting that cannot be used ends the process with exit code 2
/// and one line on standard error that names the variable.
pub fn from_env<T: Settings>() -> T {
    from_env_over(Ok(Vec::new()))
}

/// Like [`from_env`], with a settings file below all other sources: `file` holds what it says.
///
/// A file that cannot be used ends the process as a variable does.
pub fn from_env_over<T: Settings>(file: Result<Vec<FileValue>, SettingError>) -> T {
    let args = arguments();
    let (vars, mut places, usable) = variables::<T>(file);
    let asks = |flag: &str| args.iter().any(|arg| arg == flag);
    let stop = if asks("--health") && !asks("--help") {
        match parse::listen_addr::<T>(&vars, &args) {
            Ok(addr) => exit(i32::from(!probe::is_healthy(&addr))),
            Err(stop) => stop,
        }
    } else {
        match usable.map_err(Stop::Refuse).and_then(|()| parse::<T>(&vars, args.clone())) {
            Ok(settings) => return settings,
            Err(stop) => stop,
        }
    };
    match stop {
        // `--help` and `--version`, which clap prints itself.
        Stop::Answer(answer) => answer.exit(),
        Stop::Refuse(error) => {
            places.overridden_by_flags(&command::<T>(), &args);
            refuse::<T>(&places.explain(error), &vars, &args)
        }
    }
}

/// Reads the settings of this process once more, as [`from_env`] does: a secret's file may hold another one by now.
///
/// # Errors
/// The first setting that cannot be used.
pub fn read_again<T: Settings>() -> Result<T, SettingError> {
    let (vars, _, usable) = variables::<T>(Ok(Vec::new()));
    usable?;
    parse(&vars, arguments()).map_err(refusal)
}

/// Reads settings from the given variables only, for tests.
///
/// # Errors
/// The first setting that cannot be used.
pub fn from_vars<T: Settings>(
    vars: impl IntoIterator<Item = (&'static str, &'static str)>,
) -> Result<T, SettingError> {
    let vars = vars.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
    parse(&vars, Vec::new()).map_err(refusal)
}

/// Reads settings from the values of a settings file only, to check it.
///
/// # Errors
/// The first setting that cannot be used.
pub fn from_file<T: Settings>(values: Vec<FileValue>) -> Result<T, SettingError> {
    let (vars, places) = Places::split(values);
    parse(&vars, Vec::new()).map_err(|stop| places.explain(refusal(stop)))
}

/// Reads one section of settings from a part of a settings file, such as a table that the file may have several times.
///
/// # Errors
/// The first setting that cannot be used, or that `convert` refuses. `place` is where the part is, for a setting that is
/// missing: "topic in line 3 of FILE".
pub fn section_from_file<A: clap::Args, T>(
    values: Vec<FileValue>,
    place: &str,
    convert: impl FnOnce(A) -> Result<T, SettingError>,
) -> Result<T, SettingError> {
    let (vars, places) = Places::split(values);
    let declared = A::augment_args(clap::Command::new("section"));
    let section = parse::parse_declared(&declared, &vars, "", Vec::new());
    section.and_then(convert).map_err(|error| places.explain_in(error, place))
}

/// Logs each variable that looks like a setting and is none.
pub(crate) fn warn_of_typos<T: Settings>() {
    let (vars, ..) = variables::<T>(Ok(Vec::new()));
    for sentence in typos::find(&vars, &command::declared::<T>(), T::SERVICE) {
        warn!("{sentence}");
    }
}

fn arguments() -> Vec<OsString> {
    std::env::args_os().skip(1).collect()
}

/// The variables of all sources, where those of the file are, and the first reason why one of them cannot be used.
fn variables<T: Settings>(
    file: Result<Vec<FileValue>, SettingError>,
) -> (Vars, Places, Result<(), SettingError>) {
    let environment = environment::read();
    let mut usable = environment::refuse_quotes(&environment, &command::<T>(), T::SERVICE.prefix);
    let (mut vars, mut places) = match file {
        Ok(values) => Places::split(values),
        Err(error) => {
            usable = usable.and(Err(error));
            Default::default()
        }
    };
    for source in [dotenv::read(Path::new(".env")), Ok(environment)] {
        match source {
            Ok(more) => {
                places.overridden_by(&more);
                vars.extend(more);
            }
            Err(error) => usable = usable.and(Err(error)),
        }
    }
    (vars, places, usable)
}

fn refusal(stop: Stop) -> SettingError {
    match stop {
        Stop::Refuse(error) => error,
        Stop::Answer(answer) => SettingError::new("arguments", answer.to_string()),
    }
}

/// Ends the process with one line that says which setting is wrong, in the log format that the other settings ask for.
fn refuse<T: Settings>(error: &SettingError, vars: &Vars, args: &[OsString]) -> ! {
    if parse::asks_for_json(vars, args, T::SERVICE.prefix) {
        telemetry::init_json();
        error!("{error}");
    } else {
        eprintln!("{}: {}", T::SERVICE.name, one_line::escape(&error.to_string()));
    }
    exit(2)
}

#[cfg(test)]
mod tests;
