//! Profiles in the files that all AWS tools share.

use std::env;
use std::path::PathBuf;

use configparser::ini::Ini;

use crate::config::OutputSettings;

/// What a profile says. All of it may be missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) key: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) token: Option<String>,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
}

/// Reads `AWS_PROFILE`, or the profile `default` if there is one. Files that do not exist are empty.
pub(super) fn read(settings: &OutputSettings) -> Result<Profile, String> {
    let path = |given: &Option<PathBuf>, name: &str| {
        given.clone().or_else(|| env::home_dir().map(|home| home.join(".aws").join(name)))
    };
    let load = |path: Option<PathBuf>| {
        let mut ini = Ini::new_cs();
        match path.filter(|path| path.exists()) {
            Some(path) => {
                ini.load(&path).map(|_| ini).map_err(|error| format!("read {}: {error}", path.display()))
            }
            None => Ok(ini),
        }
    };
    let credentials = load(path(&settings.aws_shared_credentials_file, "credentials"))?;
    let config = load(path(&settings.aws_config_file, "config"))?;
    select(&credentials, &config, settings.aws_profile.as_deref())
}

fn select(credentials: &Ini, config: &Ini, wanted: Option<&str>) -> Result<Profile, String> {
    let name = wanted.unwrap_or("default");
    let section = if name == "default" { name.to_owned() } else { format!("profile {name}") };
    let exists = |ini: &Ini, section: &str| ini.get_map_ref().contains_key(section);
    if !exists(credentials, name) && !exists(config, &section) {
        return match wanted {
            Some(_) => Err(format!("AWS_PROFILE: there is no profile {name} in the files of AWS tools")),
            None => Ok(Profile::default()),
        };
    }
    let get = |key: &str| {
        let found = credentials.get(name, key).or_else(|| config.get(&section, key));
        found.filter(|value| !value.is_empty())
    };
    let profile = Profile {
        key: get("aws_access_key_id"),
        secret: get("aws_secret_access_key"),
        token: get("aws_session_token"),
        region: get("region"),
        endpoint: get("endpoint_url"),
    };
    let unknown = ["credential_process", "sso_session", "sso_start_url", "role_arn"];
    match unknown.into_iter().find(|key| profile.key.is_none() && get(key).is_some()) {
        Some(key) => Err(format!(
            "the profile {name} of AWS tools has {key}, which is not supported: set AWS_ACCESS_KEY_ID and its companions"
        )),
        None => Ok(profile),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ini(text: &str) -> Ini {
        let mut ini = Ini::new_cs();
        ini.read(text.to_owned()).unwrap();
        ini
    }

    #[test]
    fn a_profile_is_in_either_file_and_a_wrong_one_is_named() {
        let credentials = ini(
            "[default]\naws_access_key_id = k\naws_secret_access_key = s/+=\n[other]\naws_access_key_id=o\n",
        );
        let config = ini("[default]\nregion = eu-central-1\n[profile other]\nregion=x\n\
             endpoint_url = http://minio:9000\n[profile sso]\nsso_session = a\n");
        let select = |wanted| select(&credentials, &config, wanted);
        let default = select(None).unwrap();
        assert_eq!((default.key.as_deref(), default.secret.as_deref()), (Some("k"), Some("s/+=")));
        assert_eq!(default.region.as_deref(), Some("eu-central-1"));
        let other = select(Some("other")).unwrap();
        let endpoint = other.endpoint.as_deref();
        assert_eq!((other.key.as_deref(), endpoint), (Some("o"), Some("http://minio:9000")));
        assert!(select(Some("none")).unwrap_err().contains("there is no profile none"));
        assert!(select(Some("sso")).unwrap_err().contains("sso_session, which is not supported"));
        assert_eq!(super::select(&ini(""), &ini(""), None), Ok(Profile::default()));
    }
}
