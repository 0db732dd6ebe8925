//! Secrets from files: the variable `NAME_FILE` is the path of a file that holds the secret `NAME`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use clap::{Arg, Command};

use super::error::SettingError;
use super::variables::{Vars, get, name_of};

const SUFFIX: &str = "_FILE";

/// The variable of an argument that is a secret: one that is declared with `hide_env_values = true`.
pub(super) fn secret_name(arg: &Arg) -> Option<&str> {
    name_of(arg).filter(|_| arg.is_hide_env_values_set())
}

/// Replaces each `NAME_FILE` by `NAME` with what the file holds. One line end at its end is cut.
///
/// # Errors
/// Names the variable if both are set, or if the file cannot be used. The error holds neither path nor content: a path
/// may be a secret that was put into the wrong variable.
pub(super) fn read(vars: &Vars, declared: &Command, prefix: &str) -> Result<Vars, SettingError> {
    let mut read = vars.clone();
    for name in declared.get_arguments().filter_map(secret_name) {
        for name in candidates(name, vars, prefix) {
            let file = format!("{name}{SUFFIX}");
            let Some(path) = read.remove(&file).filter(|path| !path.is_empty()) else { continue };
            if get(vars, &name).is_some() {
                return Err(SettingError::new(file, format!("must not be set together with {name}")));
            }
            let content = content(&path).map_err(|problem| SettingError::new(file, problem))?;
            read.insert(name, content);
        }
    }
    Ok(read)
}

/// The variables that may hold a secret: with the service's prefix and without it, or each member of a family.
fn candidates(name: &str, vars: &Vars, prefix: &str) -> Vec<String> {
    match name.strip_suffix('*') {
        Some(family) => {
            let members = vars.keys().filter(|name| name.starts_with(family));
            members.filter_map(|name| name.strip_suffix(SUFFIX)).map(str::to_owned).collect()
        }
        None => vec![format!("{prefix}{name}"), name.to_owned()],
    }
}

fn content(path: &OsStr) -> Result<OsString, String> {
    let mut bytes =
        std::fs::read(path).map_err(|reason| format!("must name a file that can be read: {reason}"))?;
    if bytes.pop_if(|last| *last == b'\n').is_some() {
        bytes.pop_if(|last| *last == b'\r');
    }
    if bytes.is_empty() {
        return Err("must name a file that is not empty".to_owned());
    }
    Ok(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs::write;

    use super::*;

    fn read_vars(vars: &[(&str, &str)]) -> Result<Vars, String> {
        let secret = |name: &'static str| Arg::new(name).long(name).env(name).hide_env_values(true);
        let command = Command::new("demo").args([secret("PASSWORD"), secret("CONF_*")]);
        let command = command.arg(Arg::new("plain").env("PLAIN"));
        let vars = vars.iter().map(|(name, text)| ((*name).to_owned(), text.into())).collect();
        read(&vars, &command, "DEMO_").map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_is_read_from_its_file_without_the_last_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let path = path.to_str().unwrap();
        for (content, secret) in
            [("hush", "hush"), ("hush\n", "hush"), ("hu\r\nsh\r\n", "hu\r\nsh"), (" \n\n", " \n")]
        {
            write(path, content).unwrap();
            for name in ["PASSWORD", "DEMO_PASSWORD", "CONF_SASL_PASSWORD"] {
                let vars = read_vars(&[(&format!("{name}_FILE"), path), ("PLAIN_FILE", "x")]).unwrap();
                let expected = [(name.to_owned(), secret.into()), ("PLAIN_FILE".to_owned(), "x".into())];
                assert_eq!(vars, Vars::from(expected));
            }
        }
    }

    #[test]
    fn a_secret_that_is_set_twice_or_cannot_be_read_is_refused_by_name() {
        let twice = [("DEMO_PASSWORD_FILE", "/hush"), ("DEMO_PASSWORD", "x")];
        assert_eq!(
            read_vars(&twice).unwrap_err(),
            "DEMO_PASSWORD_FILE must not be set together with DEMO_PASSWORD"
        );
        let unreadable = read_vars(&[("CONF_KEY_FILE", "/hush")]).unwrap_err();
        assert!(unreadable.starts_with("CONF_KEY_FILE must name a file that can be read: "), "{unreadable}");
        assert!(!unreadable.contains("hush"), "{unreadable}");
        let empty = read_vars(&[("PASSWORD_FILE", "/dev/null")]).unwrap_err();
        assert_eq!(empty, "PASSWORD_FILE must name a file that is not empty");
        assert!(read_vars(&[("PASSWORD_FILE", ""), ("PASSWORD", "x")]).is_ok());
    }
}
