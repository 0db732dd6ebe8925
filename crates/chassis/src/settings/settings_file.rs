//! A settings file of a service's own format, as a source of settings.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::Command;

use super::error::SettingError;
use super::variables::{Vars, name_of};

/// A value of a settings file, and the variable that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileValue {
    /// The variable.
    pub variable: String,
    /// Its value.
    pub text: String,
    /// Where the value is, for errors: "section.key in line 3 of FILE".
    pub place: String,
}

/// Where the values of variables were found. Those that came from elsewhere have no place.
#[derive(Default)]
pub(super) struct Places(BTreeMap<String, String>);

impl Places {
    /// Takes the values apart. A later value of a variable wins.
    pub(super) fn split(values: Vec<FileValue>) -> (Vars, Self) {
        let (mut vars, mut places) = (Vars::new(), BTreeMap::new());
        for FileValue { variable, text, place } in values {
            vars.insert(variable.clone(), text.into());
            places.insert(variable, place);
        }
        (vars, Self(places))
    }

    /// Another source has these variables too, and wins.
    pub(super) fn overridden_by(&mut self, vars: &Vars) {
        self.0.retain(|variable, _| !vars.contains_key(variable));
    }

    /// The command line has flags of these variables, and wins.
    pub(super) fn overridden_by_flags(&mut self, command: &Command, args: &[OsString]) {
        let given = |long: &str| {
            let flags = args.iter().filter_map(|arg| arg.to_str()?.strip_prefix("--"));
            flags.map(|flag| flag.split('=').next()).any(|flag| flag == Some(long))
        };
        for arg in command.get_arguments().filter(|arg| arg.get_long().is_some_and(given)) {
            name_of(arg).and_then(|variable| self.0.remove(variable));
        }
    }

    /// The error with the place of its variable.
    pub(super) fn explain(&self, error: SettingError) -> SettingError {
        match self.0.get(error.variable()) {
            Some(place) => error.found_at(place),
            None => error,
        }
    }

    /// The error with the place of its variable, or with `place` if the variable has none.
    pub(super) fn explain_in(&self, error: SettingError, place: &str) -> SettingError {
        let place = self.0.get(error.variable()).map_or(place, String::as_str);
        error.found_at(place)
    }
}
