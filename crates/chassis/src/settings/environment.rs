//! The environment of the process, as a source of settings.

use clap::Command;

use super::error::SettingError;
use super::variables::{Vars, name_of};

/// The variables that are set.
pub(super) fn read() -> Vars {
    let set = std::env::vars_os().filter(|(_, text)| !text.is_empty());
    set.filter_map(|(name, text)| Some((name.into_string().ok()?, text))).collect()
}

/// Refuses a setting whose value is still in quotes, as `docker run --env-file` leaves them.
///
/// They are not cut off: nobody can tell whether a password has them. A value that does have them can be given as a flag, in
/// `.env` (in quotes of the other kind), or in a secret's file.
pub(super) fn refuse_quotes(vars: &Vars, command: &Command, prefix: &str) -> Result<(), SettingError> {
    let is_setting = |name: &str| {
        let own = name.strip_prefix(prefix).unwrap_or(name);
        command.get_arguments().filter_map(name_of).any(|known| match known.strip_suffix('*') {
            Some(family) => name.starts_with(family),
            None => known == name || known == own,
        })
    };
    let in_quotes = |text: &str| {
        let inside = |quote| text.strip_prefix(quote).is_some_and(|rest: &str| rest.ends_with(quote));
        inside('"') || inside('\'')
    };
    let refused = vars.iter().find(|(name, text)| text.to_str().is_some_and(in_quotes) && is_setting(name));
    refused.map_or(Ok(()), |(name, _)| {
        Err(SettingError::new(
            name,
            "must not be in quotes; docker's --env-file passes them on, so leave them out",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    #[test]
    fn a_setting_in_quotes_is_refused_by_name() {
        let command = Command::new("demo").args([Arg::new("h").env("HOST"), Arg::new("t").env("TUNE_*")]);
        let refused = |name: &str, text: &str| {
            let vars = Vars::from([(name.to_owned(), text.into())]);
            refuse_quotes(&vars, &command, "DEMO_").err().map(|error| error.to_string())
        };
        for name in ["HOST", "DEMO_HOST", "TUNE_X"] {
            for text in ["\"hush\"", "'hush'", "\"\""] {
                let refused = refused(name, text).unwrap();
                assert!(refused.starts_with(&format!("{name} must not be in quotes")), "{refused}");
                assert!(!refused.contains("hush"), "{refused}");
            }
        }
        for (name, text) in [("HOST", "\"half"), ("HOST", "it's"), ("HOST", "'"), ("OTHER", "\"x\"")] {
            assert_eq!(refused(name, text), None, "{name}={text}");
        }
    }
}
