//! The settings: the TOML file, the variables, and what is refused.

use std::process::{Command, Output};

use test_support::free_port;

use crate::client::{Client, Node, SET, id};

const FILE: &str = r#"
[object_storage_server]
object_storage_address = "tcp://127.0.0.1:2346"
identity = "ObjectStorageServer"
backend = "redis"

[object_storage_server.redis]
url = "redis://localhost:6379/0"
max_object_size_mb = 100
key_prefix = "scaler:obj:"
connection_pool_size = 10
"#;

fn object_store(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_object-store")).args(args).env_clear().output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn check_prints_whether_a_file_can_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.toml");
    let check = |text: &str| {
        std::fs::write(&path, text).unwrap();
        object_store(&["check", path.to_str().unwrap()])
    };
    let good = check(FILE);
    assert_eq!((good.status.code(), text(&good.stdout).contains("can be used")), (Some(0), true));
    for (from, to, expected) in [
        ("\"redis\"", "\"disk\"", "object_storage_server.backend in line 5 of "),
        ("tcp://", "http://", "(OBJECT_STORE_ADDRESS) must be tcp://HOST:PORT"),
        ("identity", "idenity", "store.toml is not a setting"),
        ("redis://localhost", "http://localhost", "store.toml (REDIS_URL) must be"),
        ("redis://localhost", "http://localhost", "object_storage_server.redis.url in line 8 of "),
        ("[object_storage_server]", "[", "is not TOML"),
    ] {
        let bad = check(&FILE.replacen(from, to, 1));
        let stderr = text(&bad.stderr);
        assert_eq!(bad.status.code(), Some(2), "{to}: {stderr}");
        assert!(stderr.contains(expected) && stderr.lines().count() == 1, "{to}: {stderr}");
    }
}

#[test]
fn an_error_of_the_file_names_the_key_and_the_line_and_one_of_a_flag_names_the_variable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.toml");
    std::fs::write(&path, "[object_storage_server]\n\nstall_timeout = \"soon\"\n").unwrap();
    let file = path.to_str().unwrap();
    let refused = text(&object_store(&["--config", file]).stderr);
    let place =
        format!("object_storage_server.stall_timeout in line 3 of {file} (OBJECT_STORE_STALL_TIMEOUT)");
    assert!(refused.starts_with(&format!("object-store: {place} must be")), "{refused}");
    let refused = text(&object_store(&["--config", file, "--stall-timeout", "0"]).stderr);
    assert!(refused.starts_with("object-store: OBJECT_STORE_STALL_TIMEOUT must be"), "{refused}");
}

#[test]
fn help_names_the_key_of_each_setting_that_may_be_in_the_file() {
    let help = text(&object_store(&["--help"]).stdout);
    for key in ["object_storage_address", "identity", "backend", "redis.url", "stall_timeout", "tls_cert"] {
        assert!(help.contains(&format!("[file: {key}]")), "{key}: {help}");
    }
}

#[test]
fn an_error_names_the_setting_that_cannot_be_used() {
    let refused = object_store(&["--stall-timeout", "0"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr)
            .starts_with("object-store: OBJECT_STORE_STALL_TIMEOUT must be longer than nothing")
    );
    let refused = object_store(&["--config", "/no/such/file"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("/no/such/file cannot be read"));
}

#[tokio::test]
async fn variables_override_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.toml");
    let file = format!(
        "[object_storage_server]\nbind_address = 'tcp://127.0.0.1:{}'\nidentity = 'FromTheFile'\nmax_connections = 7",
        free_port()
    );
    std::fs::write(&path, file).unwrap();
    // `Node` sets the address by a variable.
    let vars =
        [("OBJECT_STORE_CONFIG", path.to_str().unwrap()), ("OBJECT_STORE_IDENTITY", "ObjectStorageServer")];
    let node = Node::memory(&vars).await;
    assert_eq!(Client::connect(node.port, "one").await.set(&id(1), b"x").await, SET);
}

#[test]
fn every_setting_is_in_the_readme() {
    let help = text(&object_store(&["--help"]).stdout);
    let readme = include_str!("../../README.md");
    let names = help
        .split(['[', ']', ' ', '\n', '=', ':', '.', ',', ';'])
        .filter(|word| word.starts_with("OBJECT_STORE_"));
    let mut count = 0;
    for name in names {
        assert!(readme.contains(name), "{name} is not in the README");
        count += 1;
    }
    assert!(count > 10, "{help}");
}

#[test]
fn with_a_taken_port_every_line_of_the_log_is_json_and_one_names_the_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = Command::new(env!("CARGO_BIN_EXE_object-store"))
        .env_clear()
        .envs([("LOG_FORMAT", "json"), ("LISTEN_ADDR", "127.0.0.1:0")])
        .env("OBJECT_STORE_ADDRESS", format!("tcp://{address}"))
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let stderr = text(&refused.stderr);
    let lines: Vec<serde_json::Value> =
        stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    assert!(lines.iter().all(serde_json::Value::is_object), "{stderr}");
    assert!(lines.iter().any(|line| line.to_string().contains(&format!("listen on {address}"))), "{stderr}");
}
