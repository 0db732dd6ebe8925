//! From variables and arguments to a service's settings, by way of `clap`.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use super::definition::Settings;
use super::error::SettingError;

/// Variables by name.
pub(super) type Vars = BTreeMap<String, OsString>;

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
    let documented = command::<T>();
    if args.iter().any(|arg| ["-h", "--help", "-V", "--version"].iter().any(|answer| arg == answer)) {
        // A variable with a bad value must not keep anybody from reading the help.
        let answer =
            documented.try_get_matches_from([OsString::from(T::SERVICE.name)].into_iter().chain(args));
        answer.map_err(Stop::Answer)?;
        return Err(Stop::Refuse(SettingError::new("arguments", "mix --help with others")));
    }
    let from_vars = documented.get_arguments().flat_map(|arg| flags(arg, vars, T::SERVICE.prefix));
    let argv = [OsString::from(T::SERVICE.name)].into_iter().chain(from_vars).chain(args).collect::<Vec<_>>();
    let without_env = documented.clone().mut_args(|arg| arg.env(Resettable::Reset));
    let settings = without_env
        .try_get_matches_from(argv)
        .and_then(|mut matches| T::from_arg_matches_mut(&mut matches))
        .map_err(|error| Stop::Refuse(setting_error(&error, &documented, vars, T::SERVICE.prefix)))?;
    settings.check().map_err(Stop::Refuse)?;
    Ok(settings)
}

/// The `clap` command that `--help` describes, with each variable's full name and default.
pub fn command<T: Settings>() -> Command {
    let service = T::SERVICE;
    let full_name = |arg: Arg| {
        let own = arg.get_env().and_then(|name| name.to_str()?.strip_prefix('_'));
        match own.map(|own| format!("{}{own}", service.prefix)) {
            Some(name) => arg.env(name),
            None => arg,
        }
    };
    let mut command = T::command().name(service.name).version(service.version).args_override_self(true);
    command = command.mut_args(full_name);
    for (variable, default) in service.defaults {
        let id = command
            .get_arguments()
            .find(|arg| arg.get_env() == Some(variable.as_ref()))
            .map(Arg::get_id)
            .cloned();
        let id = id.unwrap_or_else(|| {
            unreachable!("{} has a default for {variable}, which is no setting", service.name)
        });
        command = command.mut_arg(id, |arg| arg.default_value(*default).required(false));
    }
    if !service.prefix.is_empty() {
        let prefix = service.prefix;
        command = command.after_help(format!("Every variable NAME is looked up as {prefix}NAME first."));
    }
    command.mut_args(|arg| arg.hide_env_values(true))
}

/// The flags that stand for an argument's variable. A variable that is written `NAME_*` is a family: `NAME_X=1` becomes
/// `--flag=X=1`.
fn flags(arg: &Arg, vars: &Vars, prefix: &str) -> Vec<OsString> {
    let (Some(long), Some(name)) = (arg.get_long(), arg.get_env().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let flag = |member: &str, text: &OsString| {
        let mut flag = OsString::from(format!("--{long}={member}"));
        flag.push(text);
        flag
    };
    let Some(family) = name.strip_suffix('*') else {
        return lookup(vars, prefix, name).map(|text| flag("", text)).into_iter().collect();
    };
    let members = vars.iter().filter_map(|(name, text)| Some((name.strip_prefix(family)?, text)));
    members.filter(|(_, text)| !text.is_empty()).map(|(name, text)| flag(&format!("{name}="), text)).collect()
}

fn lookup<'a>(vars: &'a Vars, prefix: &str, name: &str) -> Option<&'a OsString> {
    own(vars, prefix, name).or_else(|| vars.get(name).filter(|text| !text.is_empty()))
}

fn own<'a>(vars: &'a Vars, prefix: &str, name: &str) -> Option<&'a OsString> {
    vars.get(&format!("{prefix}{name}")).filter(|text| !text.is_empty())
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
        _ => return SettingError::new("arguments", error.kind().to_string()),
    };
    SettingError::new(format!("{prefix}{variable}"), problem)
}

/// Whether the log format is `json`. For refusals: other settings may be wrong, so nothing else is parsed.
pub(super) fn asks_for_json(vars: &Vars, args: &[OsString], prefix: &str) -> bool {
    let in_args = args.windows(2).any(|pair| pair[0] == "--log-format" && pair[1] == "json");
    in_args
        || args.iter().any(|arg| arg == "--log-format=json")
        || lookup(vars, prefix, "LOG_FORMAT").is_some_and(|format| format == "json")
}
