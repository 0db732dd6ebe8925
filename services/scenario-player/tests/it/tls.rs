//! TLS to the broker: who is trusted, and how the instance shows who it is.

use futures_util::future::join_all;
use test_support::{ServiceProcess, TestMosquitto, eventually, eventually_ok};

use crate::certificates::Certificates;
use crate::support::{BINARY, now_ms, post, walk};

/// A Mosquitto with this certificate.
async fn start_broker(certificates: &Certificates, file: &str, more: &str) -> TestMosquitto {
    let path = |name: &str| certificates.text(name);
    let (ca, cert, key) = (path("ca.pem"), path(&format!("{file}.pem")), path(&format!("{file}.key")));
    TestMosquitto::start_with(&format!("cafile {ca}\ncertfile {cert}\nkeyfile {key}\n{more}")).await
}

async fn expect_to_play(vars: &[(&str, &str)]) -> ServiceProcess {
    let player = ServiceProcess::start(BINARY, vars).await;
    player.wait_until_ready().await;
    post(&player, &walk("1", now_ms(), 3, 1)).await;
    eventually("everything is acknowledged", async || player.get("/timeline").await.1 == "[]").await;
    player
}

async fn expect_refusal(vars: &[(&str, &str)], words: &str) {
    let player = ServiceProcess::start(BINARY, vars).await;
    eventually_ok("/ready says why", async || {
        let (status, body) = player.get("/ready").await;
        if status == 503 && body.contains(words) { Ok(()) } else { Err(body) }
    })
    .await;
}

#[tokio::test]
async fn tls_and_a_password_work_with_a_broker_that_requires_them() {
    let certificates = Certificates::new();
    certificates.sign("server", "localhost");
    let mut passwd = std::process::Command::new("mosquitto_passwd");
    passwd.current_dir(certificates.folder()).args(["-b", "-c", "users", "ann", "secret"]);
    assert!(passwd.output().unwrap().status.success());
    let access = format!("password_file {}\nallow_anonymous false\n", certificates.text("users"));
    let mqtt = start_broker(&certificates, "server", &access).await;
    let (port, ca) = (mqtt.port().to_string(), certificates.text("ca.pem"));
    join_all(["MQTTv5", "MQTTv311"].map(async |protocol| {
        let single = [
            ("MQTT_HOST", "localhost"),
            ("MQTT_PORT", &*port),
            ("MQTT_BROKER_CERT_FILE", &ca),
            ("MQTT_PROTOCOL_VERSION", protocol),
            ("MQTT_USERNAME", "ann"),
        ];
        expect_to_play(&[&single[..], &[("MQTT_PASSWORD", "secret")]].concat()).await;
        let url = format!("mqtts://ann:secret@localhost:{port}");
        expect_to_play(&[("MQTT_URL", &*url), ("MQTT_BROKER_CERT_FILE", &ca), single[3]]).await;
        // One switch, and what the system trusts is trusted.
        let system = [single[0], single[1], ("MQTT_TLS", "true"), ("SSL_CERT_FILE", &ca), single[4]];
        expect_to_play(&[&system[..], &[("MQTT_PASSWORD", "secret")]].concat()).await;

        let wrong =
            ServiceProcess::start(BINARY, &[&single[..], &[("MQTT_PASSWORD", "wrong")]].concat()).await;
        eventually("/ready says that the broker refuses the password", async || {
            let (status, body) = wrong.get("/ready").await;
            status == 503 && body.contains("mqtt: ") && !body.contains("starting")
        })
        .await;
        assert!(!wrong.log().contains("wrong\n"));
    }))
    .await;
}

#[tokio::test]
async fn a_client_certificate_and_a_name_of_its_own_are_used() {
    let certificates = Certificates::new();
    certificates.sign("server", "broker.shop");
    certificates.sign("client", "till-7");
    let mqtt =
        start_broker(&certificates, "server", "require_certificate true\nallow_anonymous true\n").await;
    let (port, path) = (mqtt.port().to_string(), |file: &str| certificates.text(file));
    let (ca, cert, key) = (path("ca.pem"), path("client.pem"), path("client.key"));
    let url = format!("mqtts://localhost:{port}");
    let all = [
        ("MQTT_URL", &*url),
        ("MQTT_BROKER_CERT_FILE", &ca),
        ("MQTT_TLS_SERVER_NAME", "broker.shop"),
        ("MQTT_TLS_CERT", &cert),
        ("MQTT_TLS_KEY", &key),
    ];
    expect_to_play(&all).await;
    expect_refusal(&all[..3], "CertificateRequired").await;
    expect_refusal(&[&all[..2], &all[3..]].concat(), "not valid for name").await;
}

#[tokio::test]
async fn a_certificate_without_names_is_trusted_if_it_is_named_and_any_in_insecure_mode() {
    let certificates = Certificates::new();
    // As the original's gen-certs.sh makes it.
    certificates.sign_itself("alone");
    let mqtt = start_broker(&certificates, "alone", "allow_anonymous true\n").await;
    let url = format!("mqtts://localhost:{}", mqtt.port());
    let (alone, ca) = (certificates.text("alone.pem"), certificates.text("ca.pem"));
    let trusted = expect_to_play(&[("MQTT_URL", &*url), ("MQTT_BROKER_CERT_FILE", &alone)]).await;
    assert!(!trusted.log().contains("MQTT_TLS_INSECURE"), "{}", trusted.log());
    let other = [("MQTT_URL", &*url), ("MQTT_BROKER_CERT_FILE", &ca)];
    expect_refusal(&other, "certificate").await;
    let insecure = expect_to_play(&[&other[..], &[("MQTT_TLS_INSECURE", "true")]].concat()).await;
    assert!(insecure.log().contains("the broker's certificate is not checked"), "{}", insecure.log());
}
