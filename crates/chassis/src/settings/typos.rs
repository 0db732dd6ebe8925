//! Variables that look like settings and are none.

use clap::Command;

use super::definition::Service;
use super::secret_files;
use super::variables::{Vars, name_of};

/// One sentence for each variable that is probably a misspelt setting: it begins with the service's own prefix, or is a
/// letter or two away from a setting.
pub(super) fn find(vars: &Vars, declared: &Command, service: Service) -> Vec<String> {
    let known = known(declared, service.prefix);
    let is_known = |name: &str| {
        known.iter().any(|known| {
            known == name || known.strip_suffix('*').is_some_and(|family| name.starts_with(family))
        })
    };
    let unknown = vars.keys().filter(|name| !is_known(name) && !is_service_link(name, service.name));
    unknown.filter_map(|name| sentence(name, &known, service)).collect()
}

fn sentence(name: &str, known: &[String], service: Service) -> Option<String> {
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let nearest = known.iter().min_by_key(|known| distance(known))?;
    let first_word = |name: &str| name.split('_').next().map(str::to_owned);
    let is_near = distance(nearest) <= 2 && first_word(name) == first_word(nearest);
    let is_own = !service.prefix.is_empty() && name.starts_with(service.prefix);
    let text = format!("{name} is no setting of {}", service.name);
    match is_near || distance(nearest) * 3 <= name.len() {
        true if is_own || is_near => Some(format!("{text}: is {nearest} meant?")),
        false if is_own => Some(format!("{text}: --help lists all")),
        _ => None,
    }
}

/// Every variable that is read, also with the prefix and as a secret's file.
fn known(declared: &Command, prefix: &str) -> Vec<String> {
    let commands = std::iter::once(declared).chain(declared.get_subcommands());
    let mut known = Vec::new();
    for arg in commands.flat_map(Command::get_arguments) {
        let Some(name) = name_of(arg) else { continue };
        let files = secret_files::secret_name(arg).map(|name| format!("{name}_FILE"));
        known.extend([name.to_owned()].into_iter().chain(files));
    }
    let own: Vec<String> = known.iter().map(|name| format!("{prefix}{name}")).collect();
    known.extend(own);
    known
}

/// Kubernetes gives every pod the addresses of its Services: `STATUS_PROXY_PORT`, `STATUS_PROXY_SERVICE_HOST`.
fn is_service_link(name: &str, service: &str) -> bool {
    let rest = name.strip_prefix(&service.to_uppercase().replace('-', "_"));
    rest.is_some_and(|rest| rest.starts_with("_PORT") || rest.starts_with("_SERVICE_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn found(prefix: &'static str, name: &str) -> Option<String> {
        let arg = |name: &'static str| Arg::new(name).env(name);
        let args = [
            arg("REDIS_HOST"),
            arg("REDIS_PASS").hide_env_values(true),
            arg("STATUS_HISTORY"),
            arg("CONF_*"),
        ];
        let service = Service { name: "status-proxy", version: "1", prefix, defaults: &[] };
        let vars = Vars::from([(name.to_owned(), "x".into())]);
        find(&vars, &Command::new("demo").args(args), service).pop()
    }

    #[test]
    fn a_misspelt_variable_is_named_with_the_nearest_setting() {
        for (name, meant) in [
            ("STATUS_HISTROY", "STATUS_HISTORY"),
            ("STATUS_REDIS_HOTS", "STATUS_REDIS_HOST"),
            ("REDIS_HOTS", "REDIS_HOST"),
            ("STATUS_REDIS_PASS_FIEL", "STATUS_REDIS_PASS_FILE"),
        ] {
            let expected = format!("{name} is no setting of status-proxy: is {meant} meant?");
            assert_eq!(found("STATUS_", name), Some(expected));
        }
        let nothing_near = "STATUS_COLOUR_OF_THE_PAGE is no setting of status-proxy: --help lists all";
        assert_eq!(found("STATUS_", "STATUS_COLOUR_OF_THE_PAGE").as_deref(), Some(nothing_near));
        assert!(found("", "REDIS_HOTS").is_some());
    }

    #[test]
    fn settings_and_foreign_variables_are_no_typos() {
        for name in [
            "STATUS_HISTORY",
            "STATUS_REDIS_HOST",
            "REDIS_PASS_FILE",
            "CONF_ANYTHING",
            "HOME",
            "REDISCLI_AUTH",
            "STATUS_PROXY_PORT_9002_TCP_ADDR",
            "STATUS_PROXY_SERVICE_HOST",
        ] {
            assert_eq!(found("STATUS_", name), None, "{name}");
        }
    }
}
