use fred::interfaces::{ClientLike, SetsInterface};
use fred::types::{CustomCommand, Value};
use test_support::{ServiceProcess, TestRedis, eventually, free_port};

use crate::support::{BINARY, World};

const REQUIRED: [(&str, &str); 3] =
    [("KAFKA_TOPIC", "t"), ("KAFKA_BROKER", "127.0.0.1:1"), ("KAFKA_GROUP", "g")];

async fn run_until_refused(vars: &[(&str, &str)]) -> (i32, String) {
    let mut service = ServiceProcess::spawn(BINARY, vars);
    (service.wait_for_exit().await, service.log().trim().to_owned())
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_is_one_line_and_exit_code_2() {
    for (variable, _) in REQUIRED {
        let vars: Vec<_> = REQUIRED.into_iter().filter(|(name, _)| *name != variable).collect();
        assert_eq!(run_until_refused(&vars).await, (2, format!("kafka-ingester: {variable} must be set")));
    }
    let all = "kafka-ingester: KAFKA_TOPIC, KAFKA_BROKER, KAFKA_GROUP must be set";
    assert_eq!(run_until_refused(&[]).await, (2, all.to_owned()));
    let cases = [
        (
            "KAFKA_TOPIC",
            "a/b",
            r"KAFKA_TOPIC must be 1 to 249 of A-Z a-z 0-9 . _ -, or a pattern that begins with ^, such as ^sensors\..*",
        ),
        (
            "KAFKA_CONF_NO_SUCH",
            "1",
            "KAFKA_CONF_NO_SUCH must be a property of librdkafka and its value: No such configuration property: \"no.such\"",
        ),
        (
            "KAFKA_CONF_SESSION_TIMEOUT_MS",
            "soon",
            "KAFKA_CONF_SESSION_TIMEOUT_MS must be a property of librdkafka and its value: Invalid value for configuration property \"session.timeout.ms\"",
        ),
        (
            "KAFKA_CONF_ENABLE_AUTO_COMMIT",
            "true",
            "KAFKA_CONF_ENABLE_AUTO_COMMIT must not be set: enable.auto.commit is the service's own",
        ),
        (
            "KEY_TEMPLATE",
            "battery",
            "KEY_TEMPLATE must be a text with a placeholder, such as battery:{battery_id}:data or user:{actor.login}:{topic}",
        ),
        ("KEY_FIELD", "id", "KEY_TEMPLATE must hold {id}, the field of KEY_FIELD"),
        ("ENVELOPE", "xml", "ENVELOPE must be one of none, debezium"),
        (
            "SCHEMA_REGISTRY_URL",
            "registry:8081",
            "SCHEMA_REGISTRY_URL must be a URL that begins with http:// or https:// and has no user",
        ),
        (
            "SCHEMA_REGISTRY_TLS_CA",
            "Cargo.toml",
            "SCHEMA_REGISTRY_TLS_CA must be a file that can be read: No such file or directory (os error 2)",
        ),
        ("VALUE_FORMAT", "avro", "VALUE_SCHEMA must be set if, and only if, VALUE_FORMAT is avro"),
        (
            "KEY_SCHEMA",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            "KEY_SCHEMA must be a file with an Avro schema: Failed to parse schema from JSON",
        ),
        ("NESTED", "xml", "NESTED must be one of json, flatten, reject"),
        ("INGEST_CONFIG", "no-file", "KAFKA_TOPIC must not be set beside INGEST_CONFIG"),
        ("REDIS_PORT", "x", "REDIS_PORT must be a valid value: invalid digit found in string"),
    ];
    for (variable, value, line) in cases {
        let vars: Vec<_> =
            REQUIRED.into_iter().filter(|(name, _)| *name != variable).chain([(variable, value)]).collect();
        assert_eq!(run_until_refused(&vars).await, (2, format!("kafka-ingester: {line}")));
    }
}

#[tokio::test]
async fn settings_can_come_from_a_file_and_the_environment_wins() {
    let world = World::new(1).await;
    let service = world.spawn_ingester(&[]).await;
    let file = format!(
        "KAFKA_TOPIC={}\nKAFKA_BROKER={}\nKAFKA_GROUP=other\nREDIS_HOST=127.0.0.1\nREDIS_PORT={}\nID_SET=file:ids\n",
        world.topic,
        world.kafka.broker,
        world.redis.port()
    );
    // The working directory of the first process serves as that of the second.
    std::fs::write(service.dir().join(".env"), file).unwrap();
    let mut command = tokio::process::Command::new(BINARY);
    command.current_dir(service.dir()).env_clear().env("LISTEN_ADDR", format!("127.0.0.1:{}", free_port()));
    let mut second = command.env("ID_SET", "env:ids").kill_on_drop(true).spawn().unwrap();
    world.send(r#"{"battery_id":1}"#);
    eventually("the set of the environment is used", async || {
        world.client.scard::<u64, _>("env:ids").await.unwrap() == 1
    })
    .await;
    second.kill().await.unwrap();
}

#[tokio::test]
async fn an_unreachable_broker_shows_in_ready_with_the_reason() {
    let redis = TestRedis::start().await;
    let port = redis.port().to_string();
    let vars =
        [("KAFKA_TOPIC", "t"), ("KAFKA_BROKER", "127.0.0.1:1"), ("KAFKA_GROUP", "g"), ("REDIS_PORT", &*port)];
    let service = ServiceProcess::start(BINARY, &vars).await;
    eventually("/ready says connection refused", async || {
        let (status, body) = service.get("/ready").await;
        status == 503
            && body.contains("kafka: ")
            && body.contains("127.0.0.1:1")
            && body.contains("Connection refused")
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_shows_in_ready_until_it_is_right() {
    let world = World::new(1).await;
    let acl = async |args: &[&str]| {
        let acl = CustomCommand::new("ACL", None::<u16>, false);
        world.client.custom::<Value, _>(acl, args.to_vec()).await.unwrap()
    };
    acl(&["SETUSER", "ann", "on", ">key", "~*", "&*", "+@all"]).await;
    let vars = [("REDIS_USERNAME", "ann"), ("REDIS_PASS", "wrong")];
    let service = world.spawn_ingester(&vars).await;
    eventually("/ready names the password", async || {
        let (status, body) = service.get("/ready").await;
        status == 503 && body.contains("redis: ") && body.contains("WRONGPASS")
    })
    .await;
    acl(&["SETUSER", "ann", ">wrong"]).await;
    service.wait_until_ready().await;
    world.send(r#"{"battery_id":1,"a":1}"#);
    world.wait_for_field("battery:1:data", "a", "1").await;
}

#[tokio::test]
async fn help_lists_every_variable() {
    let output = tokio::process::Command::new(BINARY).arg("--help").env_clear().output().await.unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let readme = include_str!("../../README.md");
    let variables = help.split("[env: ").skip(1).map(|rest| rest.split([']', '=']).next().unwrap());
    // The flag of NAME is --name; of a family, NAME_*, it is --name.
    for line in help.lines().filter(|line| line.trim_start().starts_with("--") && line.contains('<')) {
        let flag = line.trim_start().trim_start_matches("--").split(' ').next().unwrap();
        let variable = flag.to_uppercase().replace('-', "_");
        let shown =
            [format!("[env: {variable}]"), format!("[env: {variable}=]"), format!("[env: {variable}_*")];
        assert!(shown.iter().any(|shown| help.contains(shown)), "--{flag} is not the flag of {variable}");
    }
    let mut count = 0;
    for variable in variables {
        assert!(readme.contains(&format!("`{variable}`")), "{variable} is not in the README");
        count += 1;
    }
    assert!(count > 25, "{help}");
}
