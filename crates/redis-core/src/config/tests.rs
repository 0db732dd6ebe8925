use super::*;
use clap::Parser;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    redis: RedisConfig,
}

fn config(args: &[&str]) -> RedisConfig {
    Cli::try_parse_from([&["test"], args].concat()).map(|cli| cli.redis).unwrap()
}

#[test]
fn single_variables_name_a_server_and_the_display_keeps_the_secret() {
    let config = config(&["--redis-host=db", "--redis-port=7000", "--redis-db=3", "--redis-pass=hush"]);
    assert_eq!(config.to_string(), "db:7000/3");
    assert_eq!(config.to_fred().unwrap().password.as_deref(), Some("hush"));
}

#[test]
fn a_url_wins_and_the_single_variables_fill_its_gaps() {
    let config = config(&["--redis-url=redis://ann:key@db:7000", "--redis-db=2", "--redis-password=hush"]);
    assert_eq!(config.to_string(), "db:7000/2");
    let fred = config.to_fred().unwrap();
    assert_eq!((fred.username.as_deref(), fred.password.as_deref()), (Some("ann"), Some("key")));
    assert_eq!(config.db(), 2);
}

#[test]
fn redis_password_serves_a_url_that_has_none() {
    let config = config(&["--redis-url=rediss://db/5", "--redis-password=hush"]);
    assert_eq!(config.to_fred().unwrap().password.as_deref(), Some("hush"));
    assert_eq!(config.db(), 5);
    assert!(config.to_fred().unwrap().uses_tls());
}

#[test]
fn a_url_alone_is_a_configuration() {
    assert_eq!("redis://db:7000/3".parse::<RedisConfig>().unwrap().to_string(), "db:7000/3");
    assert!("db:7000".parse::<RedisConfig>().is_err());
}

#[test]
fn a_sentinel_url_is_understood() {
    let config = config(&["--redis-url=redis-sentinel://a:26379/1?sentinelServiceName=main&node=b:26380"]);
    assert!(config.to_fred().unwrap().server.is_sentinel());
    assert_eq!(config.db(), 1);
}

#[test]
fn a_url_of_another_scheme_is_refused() {
    assert!(url::parse("http://db").err().unwrap().starts_with("must be redis://"));
    assert!(url::parse("redis://:port").is_err());
    assert!(url::parse("redis+unix://").is_err());
}

fn from_vars(vars: &[(&str, &str)]) -> Result<RedisConfig, String> {
    let vars = vars.iter().map(|(name, value)| (name.into(), value.into()));
    RedisConfig::from_vars(vars).map_err(|error| error.to_string())
}

#[test]
fn the_environment_says_the_same_as_the_command_line() {
    let read = from_vars(&[
        ("REDIS_URL", "redis://ann@db:7000"),
        ("REDIS_PASSWORD", "hush"),
        ("REDIS_DB", "2"),
        ("REDIS_POOL_SIZE", "7"),
        ("REDIS_WAIT_REPLICAS", "1"),
        ("REDIS_HOST", ""),
        ("OTHER", "x"),
        ("REDIS_OTHER", "x"),
    ]);
    let read = read.unwrap();
    assert_eq!(read.to_string(), "db:7000/2");
    assert_eq!((read.redis_pool_size, read.redis_wait_replicas), (7, 1));
    assert_eq!(read.to_fred().unwrap().password.as_deref(), Some("hush"));
    assert!(read.redis_host.is_none(), "an empty variable is not set");
    let (none, clap) = (from_vars(&[]).unwrap(), config(&[]));
    assert_eq!((none.to_string(), none.redis_pool_size), (clap.to_string(), clap.redis_pool_size));
    assert_eq!(none.redis_wait_replicas, clap.redis_wait_replicas);
}

#[test]
fn every_variable_of_the_command_line_is_read_from_the_environment() {
    let command = <Cli as clap::CommandFactory>::command();
    let names = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    let names: Vec<&str> = names.collect();
    assert_eq!(names.len(), 12);
    for name in names {
        let is_text = matches!(name, "REDIS_HOST" | "REDIS_USERNAME" | "REDIS_PASSWORD" | "REDIS_PASS");
        assert_eq!(from_vars(&[(name, "\n")]).is_ok(), is_text, "{name} is not read");
    }
}

#[test]
fn a_refusal_names_the_variable_and_keeps_the_secret() {
    for (vars, refusal) in [
        (("REDIS_URL", "http://ann:hush@db"), "REDIS_URL: must be redis://"),
        (("REDIS_PORT", "66000"), "REDIS_PORT: number too large to fit in target type"),
        (("REDIS_POOL_SIZE", "0"), "REDIS_POOL_SIZE: must be a number from 1 to 64"),
        (("REDIS_TLS_CA", "/missing"), "REDIS_TLS_CA: there is no file /missing"),
    ] {
        let text = from_vars(&[vars]).err().unwrap();
        assert!(text.starts_with(refusal) && !text.contains("hush"), "{text}");
    }
    let file = std::env::current_exe().unwrap();
    let file = file.to_str().unwrap();
    let text = from_vars(&[("REDIS_URL", "rediss://db"), ("REDIS_TLS_CERT", file)]).err().unwrap();
    assert_eq!(text, "REDIS_TLS_CERT: must be set together with REDIS_TLS_KEY");
    let text = from_vars(&[("REDIS_URL", "rediss://db"), ("REDIS_TLS_CA", file)]).err().unwrap();
    assert_eq!(text, format!("REDIS_TLS_CA: the file {file} has no certificate in PEM form"));
    let text = from_vars(&[("REDIS_TLS_CA", file)]).err().unwrap();
    assert!(text.ends_with("need a REDIS_URL with rediss://"), "{text}");
}

#[test]
fn a_secret_may_come_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "hush\n").unwrap();
    let path = file.path().to_str().unwrap();
    let read = from_vars(&[("REDIS_PASSWORD_FILE", path)]).unwrap();
    assert_eq!(read.to_fred().unwrap().password.as_deref(), Some("hush"));
    let text = from_vars(&[("REDIS_PASSWORD_FILE", path), ("REDIS_PASSWORD", "x")]).err().unwrap();
    assert_eq!(text, "REDIS_PASSWORD and REDIS_PASSWORD_FILE must not both be set");
    let text = from_vars(&[("REDIS_URL_FILE", "/missing")]).err().unwrap();
    assert!(text.starts_with("REDIS_URL_FILE: read /missing: "), "{text}");
}

#[test]
fn valkey_and_sockets_are_schemes_too() {
    assert_eq!(config(&["--redis-url=valkey://db/3"]).to_string(), "db:6379/3");
    assert!(config(&["--redis-url=valkeys://db"]).to_fred().unwrap().uses_tls());
    let sentinel = config(&["--redis-url=valkeys-sentinel://a:26379?sentinelServiceName=main"]);
    assert!(sentinel.to_fred().unwrap().uses_tls() && sentinel.to_fred().unwrap().server.is_sentinel());
    let socket = config(&["--redis-url=redis+unix:///run/redis.sock", "--redis-db=2"]);
    assert_eq!(socket.to_string(), "/run/redis.sock/2");
}

#[test]
fn the_readme_names_every_variable_with_its_default() {
    let table = crate::tables::Table::read("| variable |");
    let command = <Cli as clap::CommandFactory>::command();
    let mut named = std::collections::BTreeSet::new();
    for argument in command.get_arguments() {
        let Some(name) = argument.get_env().and_then(|name| name.to_str()) else { continue };
        let row = table.row_of(name);
        if let Some(default) = argument.get_default_values().first() {
            assert_eq!(row.cell(1), format!("`{}`", default.to_str().unwrap()), "{name}");
        }
        named.insert(row.name().to_owned());
    }
    assert_eq!(named, table.names().into_iter().map(str::to_owned).collect());
}

#[test]
fn a_cluster_url_names_nodes_and_has_database_0_only() {
    let cluster = config(&["--redis-url=redis-cluster://ann:key@a:7000,b,[::1]:7002/0"]);
    let fred = cluster.to_fred().unwrap();
    assert_eq!((fred.username.as_deref(), fred.password.as_deref()), (Some("ann"), Some("key")));
    let nodes: Vec<String> = cluster.nodes().iter().map(ToString::to_string).collect();
    assert_eq!((nodes[0].as_str(), nodes[1].as_str(), nodes.len()), ("a:7000", "b:6379", 3));
    assert_eq!(cluster.layout(), Layout::Cluster);
    assert_eq!(config(&["--redis-url=redis://a"]).layout(), Layout::One);
    let node = cluster.at(&Server::new("c", 7003));
    assert_eq!((node.to_string(), node.layout()), ("c:7003/0".to_owned(), Layout::Cluster));
    assert!(config(&["--redis-url=valkeys-cluster://a"]).to_fred().unwrap().uses_tls());
    let refusal = "a Redis Cluster has database 0 only";
    assert_eq!(url::parse("redis-cluster://a:7000/2").err().unwrap(), refusal);
    let other = config(&["--redis-url=redis-cluster://a", "--redis-db=2"]).to_fred().err().unwrap();
    assert_eq!(other.to_string(), format!("REDIS_DB must be 0: {refusal}"));
    let other = config(&["--redis-url=redis-cluster://a", "--redis-db=2"]).in_the_only_database();
    assert!(other.to_fred().is_ok());
}
