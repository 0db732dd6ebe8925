//! SASL and TLS by `KAFKA_CONF_*`. If `KAFKA_LIBS` names the folder of the jars of Apache Kafka, the test
//! starts a broker that requires them.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use test_support::{ServiceProcess, TestRedis, eventually, free_port};
use tokio::process::{Child, Command};

use crate::support::{BINARY, Kafka, World, env_var, report_not_run};

pub(crate) struct SecureBroker {
    dir: TempDir,
    pub(crate) sasl: String,
    sasl_tls: String,
    tls: String,
    pub(crate) plain: String,
    libs: String,
    _process: Child,
}

impl SecureBroker {
    pub(crate) async fn start(libs: String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ports: [u16; 5] = std::array::from_fn(|_| free_port());
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/secure-broker.sh"));
        command.arg(dir.path()).args(ports.map(|port| port.to_string())).env("KAFKA_LIBS", &libs);
        command.stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
        let process = command.spawn().unwrap();
        eventually("the broker listens", async || {
            ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        })
        .await;
        let [sasl, sasl_tls, tls, plain] = std::array::from_fn(|index| format!("localhost:{}", ports[index]));
        Self { dir, sasl, sasl_tls, tls, plain, libs, _process: process }
    }

    fn ca_certificate(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Changes the password of the user ann.
    async fn set_password(&self, password: &str) {
        let mut command = Command::new("java");
        command.args(["-cp", &format!("{}/*", self.libs), "kafka.admin.ConfigCommand", "--alter"]);
        command.args(["--bootstrap-server", &self.plain, "--entity-type", "users", "--entity-name", "ann"]);
        command.args(["--add-config", &format!("SCRAM-SHA-512=[password={password}]")]);
        assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().await.unwrap().success());
    }
}

#[tokio::test]
async fn right_credentials_connect_and_wrong_ones_show_in_ready() {
    let Some(libs) = env_var("KAFKA_LIBS") else {
        return report_not_run("SASL and TLS need KAFKA_LIBS, the folder of the jars of Apache Kafka");
    };
    let broker = SecureBroker::start(libs).await;
    let mut world = World::with(Kafka::connect(broker.plain.clone()), TestRedis::start().await, 1).await;
    world.send(r#"{"battery_id":1,"a":1}"#);

    let ca_path = broker.ca_certificate();
    let ca = ("KAFKA_CONF_SSL_CA_LOCATION", ca_path.to_str().unwrap());
    let (sasl, sasl_tls, tls) = (
        ("KAFKA_BROKER", &*broker.sasl),
        ("KAFKA_BROKER", &*broker.sasl_tls),
        ("KAFKA_BROKER", &*broker.tls),
    );
    let protocol = |protocol| ("KAFKA_CONF_SECURITY_PROTOCOL", protocol);
    let mechanism = |mechanism| ("KAFKA_CONF_SASL_MECHANISM", mechanism);
    let ann = ("KAFKA_CONF_SASL_USERNAME", "ann");
    let (right, wrong) = (("KAFKA_CONF_SASL_PASSWORD", "secret"), ("KAFKA_CONF_SASL_PASSWORD", "not-hers"));
    let accepted: [(&str, &[_]); 5] = [
        ("plain", &[sasl, protocol("SASL_PLAINTEXT"), mechanism("PLAIN"), ann, right]),
        ("scram-256", &[sasl, protocol("SASL_PLAINTEXT"), mechanism("SCRAM-SHA-256"), ann, right]),
        ("scram-512", &[sasl, protocol("SASL_PLAINTEXT"), mechanism("SCRAM-SHA-512"), ann, right]),
        ("scram-512-tls", &[sasl_tls, protocol("SASL_SSL"), mechanism("SCRAM-SHA-512"), ann, right, ca]),
        ("tls", &[tls, protocol("SSL"), ca]),
    ];
    for (group, vars) in accepted {
        group.clone_into(&mut world.group);
        let _service = world.start_ingester(vars).await;
        world.wait_for_offset(0, 1).await;
    }

    let refused: [(&str, &[_]); 4] = [
        ("SASL authentication error", &[sasl, protocol("SASL_PLAINTEXT"), mechanism("PLAIN"), ann, wrong]),
        (
            "SASL authentication error",
            &[sasl, protocol("SASL_PLAINTEXT"), mechanism("SCRAM-SHA-256"), ann, wrong],
        ),
        ("certificate verify failed", &[tls, protocol("SSL")]),
        ("Disconnected", &[tls]),
    ];
    for (reason, vars) in refused {
        let mut service = world.spawn_ingester(vars).await;
        wait_until_not_ready(&service, reason).await;
        assert_eq!(service.terminate().await, 0);
    }

    let changed_later = [sasl, protocol("SASL_PLAINTEXT"), mechanism("SCRAM-SHA-512"), ann, wrong];
    "changed-later".clone_into(&mut world.group);
    let service = world.spawn_ingester(&changed_later).await;
    wait_until_not_ready(&service, "SASL authentication error").await;
    broker.set_password("not-hers").await;
    service.wait_until_ready().await;
    world.wait_for_offset(0, 1).await;
}

pub(crate) async fn wait_until_not_ready(service: &ServiceProcess, reason: &str) {
    eventually("/ready says why", async || {
        let (status, body) = service.get("/ready").await;
        status == 503 && body.contains("kafka: ") && body.contains(reason)
    })
    .await;
    assert!(!service.log().contains("not-hers"), "{}", service.log());
}

#[tokio::test]
async fn tls_to_a_broker_without_tls_shows_in_ready() {
    let world = World::with(Kafka::start_mock(), TestRedis::start().await, 1).await;
    let service = world.spawn_ingester(&[("KAFKA_CONF_SECURITY_PROTOCOL", "SSL")]).await;
    wait_until_not_ready(&service, "SSL handshake failed").await;
}

#[tokio::test]
async fn security_settings_that_librdkafka_refuses_are_one_line_and_exit_code_1() {
    let cases = [
        (
            ("KAFKA_CONF_SECURITY_PROTOCOL", "SSL"),
            ("KAFKA_CONF_SSL_CA_LOCATION", "/no/such/file"),
            "ssl.ca.location",
        ),
        (("KAFKA_CONF_SECURITY_PROTOCOL", "SASL_SSL"), ("KAFKA_CONF_SASL_MECHANISM", "GSSAPI"), "GSSAPI"),
    ];
    for (protocol, property, names) in cases {
        let required = [("KAFKA_TOPIC", "t"), ("KAFKA_BROKER", "127.0.0.1:1"), ("KAFKA_GROUP", "g")];
        let vars = [required.as_slice(), &[protocol, property, ("LOG_LEVEL", "ERROR")]].concat();
        let mut service = ServiceProcess::spawn(BINARY, &vars);
        assert_eq!(service.wait_for_exit().await, 1);
        let log = service.log();
        assert!(
            log.lines().count() == 1 && log.contains("create the consumer: ") && log.contains(names),
            "{log}"
        );
    }
}
