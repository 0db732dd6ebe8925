//! From variables and arguments to a service's settings, by way of `clap`.

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, FromArgMatches};

use super::command::{command, declared};
use super::definition::Settings;
use super::error::SettingError;
use super::secret_files;
use super::variables::{Vars, flags, lookup, name_of, own};

/// Why there are no settings.
pub(super) enum Stop {
    /// The user asked for `--help` or `--version`: this is the answer.
    Answer(clap::Error),
    /// A setting cannot be used.
    Refuse(SettingError),
}

/// Turns the variables into flags and puts them before the given arguments, which override them. So `clap` alone parses
/// and checks, whatever a value comes from.
pub(super) fn parse<T: Settings>(vars: &Vars, args: Vec<OsString>) -> Result<T, Stop> {
    if args.iter().any(|arg| ["-h", "--help", "-V", "--version"].iter().any(|answer| arg == answer)) {
        // A variable with a bad value must not keep anybody from reading the help.
        let answer =
            command::<T>().try_get_matches_from([OsString::from(T::SERVICE.name)].into_iter().chain(args));
        answer.map_err(Stop::Answer)?;
        return Err(Stop::Refuse(SettingError::new("arguments", "mix --help with others")));
    }
    let prefix = T::SERVICE.prefix;
    let settings: T = parse_declared(&declared::<T>(), vars, prefix, args).map_err(Stop::Refuse)?;
    settings.check().map_err(Stop::Refuse)?;
    Ok(settings)
}

/// Parses the settings that `declared` declares.
pub(super) fn parse_declared<T: FromArgMatches>(
    declared: &Command,
    vars: &Vars,
    prefix: &str,
    args: Vec<OsString>,
) -> Result<T, SettingError> {
    let vars = secret_files::read(vars, declared, prefix)?;
    let from_vars = declared.get_arguments().flat_map(|arg| flags(arg, &vars, prefix));
    let argv = [OsString::from(declared.get_name())].into_iter().chain(from_vars).chain(args);
    without_env(declared.clone())
        .try_get_matches_from(argv.collect::<Vec<_>>())
        .and_then(|mut matches| T::from_arg_matches_mut(&mut matches))
        .map_err(|error| setting_error(&error, declared, &vars, prefix))
}

/// The address that `--health` asks. No other setting has to be there, or right.
pub(super) fn listen_addr<T: Settings>(vars: &Vars, args: &[OsString]) -> Result<String, Stop> {
    const VARIABLE: &str = "LISTEN_ADDR";
    let (declared, prefix) = (declared::<T>(), T::SERVICE.prefix);
    let addr = declared.get_arguments().find(|arg| name_of(arg) == Some(VARIABLE));
    let from_vars = addr.into_iter().flat_map(|arg| flags(arg, vars, prefix));
    let argv = [OsString::from(T::SERVICE.name)].into_iter().chain(from_vars).chain(args.iter().cloned());
    let matches = without_env(declared.clone())
        .mut_args(|arg| arg.required(false))
        .try_get_matches_from(argv)
        .map_err(|error| Stop::Refuse(setting_error(&error, &declared, vars, prefix)))?;
    let id = addr.map(|arg| arg.get_id().as_str());
    id.and_then(|id| matches.get_one::<String>(id).cloned())
        .ok_or_else(|| Stop::Refuse(SettingError::new(VARIABLE, "must be set")))
}

fn without_env(command: Command) -> Command {
    command.mut_args(|arg| arg.env(Resettable::Reset))
}

/// Rewords `clap`'s error to name the variable. It does not repeat the value, which may be a secret.
fn setting_error(error: &clap::Error, command: &Command, vars: &Vars, prefix: &str) -> SettingError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let flag = text(ContextKind::InvalidArg);
    let variable = command.get_arguments().find(|arg| {
        arg.get_long().is_some_and(|long| {
            flag.strip_prefix("--").is_some_and(|flag| flag.split([' ', '=']).next() == Some(long))
        })
    });
    let variable = variable.and_then(Arg::get_env).and_then(|name| name.to_str()).unwrap_or(&flag);
    let prefix = if own(vars, prefix, variable).is_some() { prefix } else { "" };
    let problem = match (error.kind(), std::error::Error::source(error)) {
        (ErrorKind::MissingRequiredArgument, _) => "must be set".to_owned(),
        (ErrorKind::InvalidValue, _) => format!("must be one of {}", text(ContextKind::ValidValue)),
        (ErrorKind::ValueValidation, Some(source)) => match source.to_string() {
            own if own.starts_with("must be") => own,
            clap => format!("must be a valid value: {clap}"),
        },
        _ => return SettingError::of_arguments(in_one_line(error)),
    };
    SettingError::new(format!("{prefix}{variable}"), problem)
}

/// `clap`'s own words with its tip, without the usage: "unexpected argument '--prot' found; tip: …".
fn in_one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.join("; ").trim_start_matches("error: ").to_owned()
}

/// Whether the log format is `json`. For refusals: other settings may be wrong, so nothing else is parsed.
pub(super) fn asks_for_json(vars: &Vars, args: &[OsString], prefix: &str) -> bool {
    let in_args = args.windows(2).any(|pair| pair[0] == "--log-format" && pair[1] == "json");
    in_args
        || args.iter().any(|arg| arg == "--log-format=json")
        || lookup(vars, prefix, "LOG_FORMAT").is_some_and(|format| format == "json")
}
