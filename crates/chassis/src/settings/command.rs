//! The `clap` command of a service: what it declares, with full names and its own defaults.

use clap::{Arg, Command};

use super::definition::{Service, Settings};
use super::secret_files;
use super::variables::name_of;

/// The `clap` command that `--help` describes, with each variable's full name and default.
pub fn command<T: Settings>() -> Command {
    let declared = declared::<T>();
    let notes = notes(&declared, T::SERVICE);
    let command = declared.mut_args(|arg| with_file_key::<T>(arg.hide_env_values(true)));
    if notes.is_empty() { command } else { command.after_help(notes) }
}

/// The variables that a README does not name between backticks, for tests.
pub fn undocumented<T: Settings>(readme: &str) -> Vec<String> {
    let command = command::<T>();
    let names = command.get_arguments().filter_map(name_of);
    names.filter(|name| !readme.contains(&format!("`{name}`"))).map(str::to_owned).collect()
}

/// The argument, and in its help the key of its variable in the settings file.
fn with_file_key<T: Settings>(arg: Arg) -> Arg {
    let key = name_of(&arg).and_then(T::file_key);
    match (key, arg.get_help().map(ToString::to_string)) {
        (Some(key), Some(help)) => arg.help(format!("{help} [file: {key}]")),
        _ => arg,
    }
}

/// Like [`command()`]; its `hide_env_values` still tells which arguments are secrets.
pub(super) fn declared<T: Settings>() -> Command {
    let service = T::SERVICE;
    let full_name = |arg: Arg| {
        let own = name_of(&arg).and_then(|name| name.strip_prefix('_'));
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
    command
}

fn notes(command: &Command, service: Service) -> String {
    let mut notes = Vec::new();
    if !service.prefix.is_empty() {
        notes.push(format!("Every variable NAME is looked up as {}NAME first.", service.prefix));
    }
    let secrets: Vec<&str> = command.get_arguments().filter_map(secret_files::secret_name).collect();
    if !secrets.is_empty() {
        let secrets = secrets.join(", ");
        notes
            .push(format!("A secret can be read from a file: NAME_FILE is its path. Secrets are {secrets}."));
    }
    notes.join("\n")
}
