//! SASL and TLS by `KAFKA_CONF_*`, with a broker of its own that asks for them, where `KAFKA_LIBS` names the folder of the
//! jars of Apache Kafka.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use test_support::{ServiceProcess, TestRedis, eventually, free_port};
use tokio::process::{Child, Command};

use crate::support::{BINARY, Kafka, World, not_run, var};

struct SecureBroker {
    dir: TempDir,
    sasl: String,
    sasl_tls: String,
    tls: String,
    plain: String,
    libs: String,
    _process: Child,
}

impl SecureBroker {
    async fn start(libs: String) -> Self {
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
        let [sasl, sasl_tls, tls, plain] = std::array::from_fn(|place| format!("localhost:{}", ports[place]));
        Self { dir, sasl, sasl_tls, tls, plain, libs, _process: process }
    }

    fn authority(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Gives ann another password.
    async fn set_password(&self, password: &str) {
        let mut command = Command::new("java");
        command.args(["-cp", &format!("{}/*", self.libs), "kafka.admin.ConfigCommand", "--alter"]);
        command.args(["--bootstrap-server", &self.plain, "--entity-type", "users", "--entity-name", "ann"]);
        command.args(["--add-config", &format!("SCRAM-SHA-512=[password={password}]")]);
        assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().await.unwrap().success());
    }
}

#[tokio::test]
async fn sasl_and_tls_let_in_who_may_and_tell_who_may_not() {
    let Some(libs) = var("KAFKA_LIBS") else {
        return not_run("SASL and TLS need KAFKA_LIBS, the folder of the jars of Apache Kafka");
    };
    let broker = SecureBroker::start(libs).await;
    let mut world = World::with(Kafka::real(broker.plain.clone()), TestRedis::start().await, 1).await;
    world.send(r#"{"battery_id":1,"a":1}"#);

    let authority = broker.authority();
    let authority = ("KAFKA_CONF_SSL_CA_LOCATION", authority.to_str().unwrap());
    let (sasl, sasl_tls, tls) = (
        ("KAFKA_BROKER", &*broker.sasl),
        ("KAFKA_BROKER", &*broker.sasl_tls),
        ("KAFKA_BROKER", &*broker.tls),
    );
    let over = |protocol| ("KAFKA_CONF_SECURITY_PROTOCOL", protocol);
    let by = |mechanism| ("KAFKA_CONF_SASL_MECHANISM", mechanism);
    let ann = ("KAFKA_CONF_SASL_USERNAME", "ann");
    let (right, wrong) = (("KAFKA_CONF_SASL_PASSWORD", "secret"), ("KAFKA_CONF_SASL_PASSWORD", "not-hers"));
    let welcome: [(&str, &[_]); 5] = [
        ("plain", &[sasl, over("SASL_PLAINTEXT"), by("PLAIN"), ann, right]),
        ("scram-256", &[sasl, over("SASL_PLAINTEXT"), by("SCRAM-SHA-256"), ann, right]),
        ("scram-512", &[sasl, over("SASL_PLAINTEXT"), by("SCRAM-SHA-512"), ann, right]),
        ("scram-512-tls", &[sasl_tls, over("SASL_SSL"), by("SCRAM-SHA-512"), ann, right, authority]),
        ("tls", &[tls, over("SSL"), authority]),
    ];
    for (group, vars) in welcome {
        group.clone_into(&mut world.group);
        let _service = world.ingester(vars).await;
        world.offset_becomes(0, 1).await;
    }

    let refused: [(&str, &[_]); 4] = [
        ("SASL authentication error", &[sasl, over("SASL_PLAINTEXT"), by("PLAIN"), ann, wrong]),
        ("SASL authentication error", &[sasl, over("SASL_PLAINTEXT"), by("SCRAM-SHA-256"), ann, wrong]),
        ("certificate verify failed", &[tls, over("SSL")]),
        ("Disconnected", &[tls]),
    ];
    for (reason, vars) in refused {
        let mut service = world.starting(vars).await;
        is_red(&service, reason).await;
        assert_eq!(service.terminate().await, 0);
    }

    let late = [sasl, over("SASL_PLAINTEXT"), by("SCRAM-SHA-512"), ann, wrong];
    "late".clone_into(&mut world.group);
    let service = world.starting(&late).await;
    is_red(&service, "SASL authentication error").await;
    broker.set_password("not-hers").await;
    service.wait_until_ready().await;
    world.offset_becomes(0, 1).await;
}

async fn is_red(service: &ServiceProcess, reason: &str) {
    eventually("/ready says why", async || {
        let (status, body) = service.get("/ready").await;
        status == 503 && body.contains("kafka: ") && body.contains(reason)
    })
    .await;
    assert!(!service.log().contains("not-hers"), "{}", service.log());
}

#[tokio::test]
async fn tls_where_the_broker_speaks_none_shows_in_ready() {
    let world = World::with(Kafka::start_mock(), TestRedis::start().await, 1).await;
    let service = world.starting(&[("KAFKA_CONF_SECURITY_PROTOCOL", "SSL")]).await;
    is_red(&service, "SSL handshake failed").await;
}

#[tokio::test]
async fn security_that_cannot_be_set_up_is_one_line_and_exit_code_1() {
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
            log.lines().count() == 1 && log.contains("make the consumer: ") && log.contains(names),
            "{log}"
        );
    }
}
