//! Settings: one `clap` struct per service is the only description of them.
//!
//! Its fields' doc comments are the `--help` lines, its `env` names the variables, its value parsers the checks. Values
//! come from flags, then the environment, then a `.env` file in the working directory; an empty variable counts as unset.
//! With a [`Service::prefix`], `PREFIX_NAME` wins over `NAME` for every variable. In a section that several services
//! have, a variable that is written `_NAME` is `PREFIX_NAME` and nothing else.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::exit;
use std::time::Duration;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use crate::{probe, value};

/// The settings of one service.
pub trait Settings: clap::Parser {
    /// Which service this is.
    const SERVICE: Service;

    /// The section that every process has.
    fn process(&self) -> &ProcessSettings;

    /// Rules between several settings.
    ///
    /// # Errors
    /// Names the variable that is at fault and what it must be.
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

/// A service's name and what it changes in the shared sections.
#[derive(Clone, Copy)]
pub struct Service {
    /// The name, also of the binary.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What its own variables begin with (`STATUS_`); empty for none.
    pub prefix: &'static str,
    /// Defaults of shared sections: variable and value.
    pub defaults: &'static [(&'static str, &'static str)],
}

/// Settings of every process: where it listens, how it stops, how it logs.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Process")]
pub struct ProcessSettings {
    /// HOST:PORT or :PORT for HTTP: /health, /ready, /metrics and all else
    #[arg(long, env = "LISTEN_ADDR", value_parser = value::listen_addr)]
    pub listen_addr: String,

    /// How long work goes on after SIGTERM while /ready is 404, so that a load balancer notices
    #[arg(long, env = "DRAIN_DELAY", default_value = "2s", value_parser = value::duration)]
    pub drain_delay: Duration,

    /// How long after that what is under way may take to end
    #[arg(long, env = "DRAIN_TIMEOUT", default_value = "10s", value_parser = value::duration)]
    pub drain_timeout: Duration,

    /// Lowest level that is logged: TRACE, DEBUG, INFO, WARN, ERROR
    #[arg(long, env = "LOG_LEVEL", default_value = "INFO", ignore_case = true,
          value_parser = ["TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL"])]
    pub log_level: String,

    /// Levels by module, as in tracing's EnvFilter (`info,fred=debug`); wins over LOG_LEVEL
    #[arg(long, env = "RUST_LOG")]
    pub rust_log: Option<String>,

    /// text, or json with an object a line
    #[arg(long, env = "LOG_FORMAT", default_value = "text", value_parser = ["text", "json"])]
    pub log_format: String,

    /// Ask the running instance's /health and exit 0 or 1
    #[arg(long)]
    pub health: bool,
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}")]
pub struct Invalid {
    variable: String,
    problem: String,
}

impl Invalid {
    /// `problem` continues the variable's name: "must be …".
    pub fn new(variable: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { variable: variable.into(), problem: problem.into() }
    }
}

/// Reads the settings of this process.
///
/// Answers `--help`, `--version` and `--health` itself. What cannot be used ends the process: one line on standard
/// error that names the variable, exit code 2.
pub fn from_env<T: Settings>() -> T {
    from_env_over(Ok(Vec::new()))
}

/// As [`from_env`], over what a settings file says as variables: all else overrides them. A file that cannot be used ends
/// the process as a variable does.
pub fn from_env_over<T: Settings>(file: Result<Vec<(String, String)>, Invalid>) -> T {
    let file = file.unwrap_or_else(|invalid| refuse::<T>(&invalid));
    let mut vars: Vars = file.into_iter().map(|(name, text)| (name, text.into())).collect();
    vars.extend(dotenv(Path::new(".env")).unwrap_or_else(|invalid| refuse::<T>(&invalid)));
    let environment = std::env::vars_os().filter(|(_, text)| !text.is_empty());
    vars.extend(environment.filter_map(|(name, text)| Some((name.into_string().ok()?, text))));
    let settings = parse::<T>(&vars, std::env::args_os().skip(1).collect());
    let settings = settings.unwrap_or_else(|stop| match stop {
        // `--help` and `--version`, which clap words itself.
        Stop::Answer(answer) => answer.exit(),
        Stop::Invalid(invalid) => refuse::<T>(&invalid),
    });
    if settings.process().health {
        exit(i32::from(!probe::is_healthy(&settings.process().listen_addr)));
    }
    settings
}

/// Reads settings from the given variables alone, for tests.
///
/// # Errors
/// The first setting that cannot be used.
pub fn from_vars<T: Settings>(
    vars: impl IntoIterator<Item = (&'static str, &'static str)>,
) -> Result<T, Invalid> {
    from_pairs(vars.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())))
}

/// As [`from_vars`], for variables that were read from a file.
///
/// # Errors
/// The first setting that cannot be used.
pub fn from_pairs<T: Settings>(vars: impl IntoIterator<Item = (String, String)>) -> Result<T, Invalid> {
    let vars = vars.into_iter().map(|(name, text)| (name, text.into())).collect();
    parse(&vars, Vec::new()).map_err(|stop| match stop {
        Stop::Invalid(invalid) => invalid,
        Stop::Answer(answer) => Invalid::new("arguments", answer.to_string()),
    })
}

type Vars = BTreeMap<String, OsString>;

enum Stop {
    Answer(clap::Error),
    Invalid(Invalid),
}

fn refuse<T: Settings>(invalid: &Invalid) -> ! {
    eprintln!("{}: {invalid}", T::SERVICE.name);
    exit(2)
}

fn dotenv(path: &Path) -> Result<Vars, Invalid> {
    let fail = |error: dotenvy::Error| Invalid::new(".env", format!("cannot be read: {error}"));
    if !path.exists() {
        return Ok(Vars::new());
    }
    let pairs = dotenvy::from_path_iter(path).map_err(fail)?;
    pairs.map(|pair| pair.map(|(name, text)| (name, text.into()))).collect::<Result<_, _>>().map_err(fail)
}

/// Variables become flags before the given ones, which override them: so clap alone parses and checks, and nothing but
/// this function looks at the environment.
fn parse<T: Settings>(vars: &Vars, args: Vec<OsString>) -> Result<T, Stop> {
    let documented = command::<T>();
    if args.iter().any(|arg| ["-h", "--help", "-V", "--version"].iter().any(|answer| arg == answer)) {
        // Help is given whatever the variables hold.
        let answer =
            documented.try_get_matches_from([OsString::from(T::SERVICE.name)].into_iter().chain(args));
        answer.map_err(Stop::Answer)?;
        return Err(Stop::Invalid(Invalid::new("arguments", "mix --help with others")));
    }
    let from_vars = documented.get_arguments().flat_map(|arg| flags(arg, vars, T::SERVICE.prefix));
    let argv = [OsString::from(T::SERVICE.name)].into_iter().chain(from_vars).chain(args).collect::<Vec<_>>();
    let without_env = documented.clone().mut_args(|arg| arg.env(Resettable::Reset));
    let settings = without_env
        .try_get_matches_from(argv)
        .and_then(|mut matches| T::from_arg_matches_mut(&mut matches))
        .map_err(|error| Stop::Invalid(invalid(&error, &documented, vars, T::SERVICE.prefix)))?;
    settings.check().map_err(Stop::Invalid)?;
    Ok(settings)
}

/// The command that `--help` describes: every variable by its full name, every default.
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

/// What an argument's variable says, as flags. A variable written `NAME_*` is a family: `NAME_X=1` becomes `--flag=X=1`.
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

/// clap's error as one line that names the variable. The value itself is not repeated: it may be a secret.
fn invalid(error: &clap::Error, command: &Command, vars: &Vars, prefix: &str) -> Invalid {
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
        _ => return Invalid::new("arguments", error.kind().to_string()),
    };
    Invalid::new(format!("{prefix}{variable}"), problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Demo {
        #[command(flatten)]
        process: ProcessSettings,
        /// Where the broker is
        #[arg(long, env = "BROKER")]
        broker: String,
        /// How many
        #[arg(long, env = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
        count: u8,
        /// Any of a family
        #[arg(long, env = "TUNE_*")]
        tune: Vec<String>,
        /// The service's own
        #[arg(long, env = "_PACE", default_value = "1s", value_parser = value::positive_duration)]
        pace: Duration,
    }

    impl Settings for Demo {
        const SERVICE: Service = Service {
            name: "demo",
            version: "1.2.3",
            prefix: "DEMO_",
            defaults: &[("LISTEN_ADDR", ":8000")],
        };
        fn process(&self) -> &ProcessSettings {
            &self.process
        }
        fn check(&self) -> Result<(), Invalid> {
            if self.broker == "nowhere" { Err(Invalid::new("BROKER", "must be somewhere")) } else { Ok(()) }
        }
    }

    fn refusal(vars: &[(&'static str, &'static str)]) -> String {
        from_vars::<Demo>(vars.iter().copied()).err().unwrap().to_string()
    }

    #[test]
    fn variables_and_defaults_are_read() {
        let demo = from_vars::<Demo>([("BROKER", "kafka"), ("DRAIN_DELAY", "0.5s"), ("LOG_LEVEL", "debug")])
            .unwrap();
        assert_eq!((demo.broker.as_str(), demo.count), ("kafka", 3));
        assert_eq!(demo.process.listen_addr, "0.0.0.0:8000");
        assert_eq!(demo.process.drain_delay, Duration::from_millis(500));
    }

    #[test]
    fn the_services_own_prefix_wins_and_an_empty_variable_is_unset() {
        let demo =
            from_vars::<Demo>([("BROKER", "a"), ("DEMO_BROKER", "b"), ("COUNT", ""), ("DEMO_COUNT", "7")]);
        let demo = demo.unwrap();
        assert_eq!((demo.broker.as_str(), demo.count), ("b", 7));
    }

    #[test]
    fn a_variable_of_a_shared_section_has_the_services_prefix_alone() {
        let pace = |name| from_vars::<Demo>([("BROKER", "a"), (name, "5s")]).unwrap().pace;
        assert_eq!(pace("DEMO_PACE"), Duration::from_secs(5));
        assert_eq!((pace("PACE"), pace("_PACE")), (Duration::from_secs(1), Duration::from_secs(1)));
    }

    #[test]
    fn a_family_of_variables_is_read_whole() {
        let demo = from_vars::<Demo>([
            ("BROKER", "a"),
            ("TUNE_B", "2"),
            ("TUNE_A", "x=1"),
            ("TUNE_C", ""),
            ("TUN", "3"),
        ]);
        assert_eq!(demo.unwrap().tune, ["A=x=1", "B=2"]);
    }

    #[test]
    fn flags_win_over_variables() {
        let vars = Vars::from([("BROKER".to_owned(), "a".into()), ("COUNT".to_owned(), "4".into())]);
        let demo = parse::<Demo>(&vars, vec!["--count=5".into()]).ok().unwrap();
        assert_eq!((demo.broker.as_str(), demo.count), ("a", 5));
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_named_with_what_it_must_be() {
        assert_eq!(refusal(&[]), "BROKER must be set");
        assert_eq!(refusal(&[("BROKER", "nowhere")]), "BROKER must be somewhere");
        assert_eq!(
            refusal(&[("BROKER", "a"), ("COUNT", "0")]),
            "COUNT must be a valid value: 0 is not in 1..=255"
        );
        assert_eq!(
            refusal(&[("BROKER", "a"), ("DRAIN_DELAY", "soon")]),
            "DRAIN_DELAY must be a duration such as 5s, 500ms or 1m30s"
        );
        assert_eq!(
            refusal(&[("BROKER", "a"), ("LOG_FORMAT", "xml")]),
            "LOG_FORMAT must be one of text, json"
        );
        assert_eq!(refusal(&[("BROKER", "a"), ("DEMO_PACE", "0s")]), "DEMO_PACE must be longer than nothing");
        assert_eq!(
            refusal(&[("BROKER", "a"), ("LOG_FORMAT", "text"), ("DEMO_LOG_FORMAT", "xml")]),
            "DEMO_LOG_FORMAT must be one of text, json"
        );
    }

    #[test]
    fn help_lists_every_variable_with_its_default_whatever_the_variables_hold() {
        let vars = Vars::from([("COUNT".to_owned(), "none".into())]);
        let Err(Stop::Answer(answer)) = parse::<Demo>(&vars, vec!["--help".into()]) else {
            panic!("no help")
        };
        let help = answer.to_string();
        for part in [
            "[env: BROKER]",
            "[env: COUNT]",
            "[env: DEMO_PACE]",
            "[default: 3]",
            "[default: :8000]",
            "DEMO_NAME first",
        ] {
            assert!(help.contains(part), "{part} is not in {help}");
        }
    }
}
