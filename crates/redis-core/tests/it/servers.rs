//! The ways to a server: TLS, sockets, and what is said when one does not work.

use std::fs;
use std::path::Path;

use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use redis_core::{Redis, connect};
use tempfile::TempDir;
use test_support::{TestRedis, eventually, eventually_ok, free_port};

use crate::parse;

/// Certificates in files: an authority, a server's and a client's that it signed, and one that nobody signed.
fn certificates() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    let params = |host: &str| {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, host);
        params
    };
    let mut ca = params("authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    write("ca.pem", authority.pem());
    for (name, host) in [("server", "127.0.0.1"), ("client", "client"), ("elsewhere", "elsewhere.example")] {
        let key = KeyPair::generate().unwrap();
        write(&format!("{name}.pem"), params(host).signed_by(&key, &authority).unwrap().pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
    let key = KeyPair::generate().unwrap();
    let alone = params("some-name").self_signed(&key).unwrap();
    write("alone.pem", alone.pem());
    write("alone.key", key.serialize_pem());
    folder
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

/// A server with TLS on a second port, which is returned.
async fn start_tls(folder: &TempDir, certificate: &str, auth_clients: &str) -> (TestRedis, u16) {
    start_tls_with(folder, certificate, auth_clients, &[]).await
}

async fn start_tls_with(
    folder: &TempDir,
    certificate: &str,
    auth_clients: &str,
    more: &[&str],
) -> (TestRedis, u16) {
    let port = free_port();
    let (cert, key) =
        (path(folder, &format!("{certificate}.pem")), path(folder, &format!("{certificate}.key")));
    let (ca, port_text) = (path(folder, "ca.pem"), port.to_string());
    let mut args = vec!["--tls-port", &*port_text, "--tls-cert-file", &cert, "--tls-key-file", &key];
    args.extend(["--tls-ca-cert-file", &ca, "--tls-auth-clients", auth_clients]);
    args.extend(more);
    (TestRedis::start_with(&args).await, port)
}

/// Connects once, and says why not.
async fn connect_once(args: &[String]) -> Result<(), String> {
    let pool = connect::connected(&parse(args)).await.map_err(|error| error.to_string())?.client;
    pool.set::<(), _, _>("k", "v", None, None, false).await.map_err(|error| error.to_string())?;
    pool.quit().await.map_err(|error| error.to_string())
}

fn tls_args(port: u16, folder: &TempDir, files: &[(&str, &str)]) -> Vec<String> {
    let file = |(setting, name): &(&str, &str)| format!("--redis-tls-{setting}={}", path(folder, name));
    [format!("--redis-url=rediss://127.0.0.1:{port}")].into_iter().chain(files.iter().map(file)).collect()
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_or_by_its_own_certificate() {
    let folder = certificates();
    let (_signed, port) = start_tls(&folder, "server", "no").await;
    connect_once(&tls_args(port, &folder, &[("ca", "ca.pem")])).await.unwrap();
    let (_alone, port) = start_tls(&folder, "alone", "no").await;
    connect_once(&tls_args(port, &folder, &[("ca", "alone.pem")])).await.unwrap();
    let valkey = [
        format!("--redis-url=valkeys://127.0.0.1:{port}"),
        tls_args(0, &folder, &[("ca", "alone.pem")])[1].clone(),
    ];
    connect_once(&valkey).await.unwrap();
    for (files, words) in [(&[("ca", "ca.pem")][..], "trusted"), (&[], "trusted")] {
        let text = connect_once(&tls_args(port, &folder, files)).await.unwrap_err();
        assert!(is_a_sentence(&text, port) && text.contains(words), "{text}");
    }
    let (_elsewhere, port) = start_tls(&folder, "elsewhere", "no").await;
    let text = connect_once(&tls_args(port, &folder, &[("ca", "ca.pem")])).await.unwrap_err();
    assert!(
        is_a_sentence(&text, port) && text.ends_with("its certificate is for another host name"),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_that_asks_for_a_client_certificate_gets_it() {
    let folder = certificates();
    let (_redis, port) = start_tls(&folder, "server", "yes").await;
    let good = [("ca", "ca.pem"), ("cert", "client.pem"), ("key", "client.key")];
    connect_once(&tls_args(port, &folder, &good)).await.unwrap();
    let text = connect_once(&tls_args(port, &folder, &good[..1])).await.unwrap_err();
    assert!(is_a_sentence(&text, port) && text.contains("client certificate"), "{text}");
    let other = [("ca", "ca.pem"), ("cert", "alone.pem"), ("key", "alone.key")];
    let text = connect_once(&tls_args(port, &folder, &other)).await.unwrap_err();
    assert!(is_a_sentence(&text, port) && text.contains("client certificate"), "{text}");
    let mixed = [("ca", "ca.pem"), ("cert", "client.pem"), ("key", "alone.key")];
    let text = connect_once(&tls_args(port, &folder, &mixed)).await.unwrap_err();
    assert!(text.contains("REDIS_TLS_CERT") && text.contains("do not fit"), "{text}");
}

#[tokio::test]
async fn a_cluster_with_tls_and_a_password_is_signed_in_to_at_the_addresses_that_it_names() {
    let folder = certificates();
    let cluster = ["--cluster-enabled", "yes", "--tls-cluster", "yes"];
    let (node, port) = start_tls_with(&folder, "server", "yes", &cluster).await;
    node.admin("ACL SETUSER ann on >hush ~* &* +@all").await;
    node.admin("CLUSTER ADDSLOTSRANGE 0 16383").await;
    let files = [("ca", "ca.pem"), ("cert", "client.pem"), ("key", "client.key")];
    let mut args = tls_args(port, &folder, &files);
    args[0] = format!("--redis-url=rediss-cluster://ann:hush@127.0.0.1:{port}");
    let redis = eventually_ok("the Cluster is there", async || Redis::connected(&parse(&args)).await).await;
    let set = |client: Client| async move { client.set::<(), _, _>("k", "v", None, None, false).await };
    redis.run("k", set).await.unwrap();
    assert_eq!(redis.shards()[0].to_string(), format!("127.0.0.1:{port}"));
    args[0] = format!("--redis-url=rediss-cluster://ann:wrong@127.0.0.1:{port}");
    let text = Redis::connected(&parse(&args)).await.err().unwrap().to_string();
    assert!(text.ends_with("Redis refused the user name or the password (WRONGPASS)"), "{text}");
}

#[tokio::test]
async fn a_renewed_client_certificate_is_used_by_the_next_connection() {
    let folder = certificates();
    let (redis, port) = start_tls(&folder, "server", "yes").await;
    let files = [("ca", "ca.pem"), ("cert", "client.pem"), ("key", "client.key")];
    let pool = connect::pool(&parse(&tls_args(port, &folder, &files))).unwrap();
    crate::healed(&pool).await;
    let rename = |from: &str, to: &str| {
        for kind in ["pem", "key"] {
            fs::copy(path(&folder, &format!("{from}.{kind}")), path(&folder, &format!("{to}.{kind}")))
                .unwrap();
        }
    };
    rename("client", "good");
    rename("alone", "client");
    redis.admin("CLIENT KILL USER default").await;
    eventually("the other certificate is refused", async || {
        pool.state
            .borrow()
            .clone()
            .is_err_and(|reason| reason.contains("does not accept the client certificate"))
    })
    .await;
    rename("good", "client");
    crate::healed(&pool).await;
    fs::write(path(&folder, "client.pem"), "half a file").unwrap();
    redis.admin("CLIENT KILL USER default").await;
    eventually("a command succeeds", async || pool.client.get::<Option<String>, _>("k").await.is_ok()).await;
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_one_sentence_with_its_address() {
    let folder = certificates();
    let redis = TestRedis::start().await;
    let text = connect_once(&tls_args(redis.port(), &folder, &[("ca", "ca.pem")])).await.unwrap_err();
    assert!(is_a_sentence(&text, redis.port()) && text.contains("TLS"), "{text}");
    let port = free_port();
    let text = connect_once(&[format!("--redis-url=redis://127.0.0.1:{port}")]).await.unwrap_err();
    assert!(is_a_sentence(&text, port) && text.ends_with("connection refused"), "{text}");
    let (_tls, port) = start_tls(&folder, "server", "no").await;
    let text = connect_once(&[format!("--redis-url=redis://127.0.0.1:{port}")]).await.unwrap_err();
    assert!(is_a_sentence(&text, port), "{text}");
    let text = connect_once(&["--redis-url=redis+unix:///missing.sock".to_owned()]).await.unwrap_err();
    assert_eq!(text, "connect to redis at /missing.sock/0: no such file or directory");
    let text = connect_once(&["--redis-url=redis://no-such-host.invalid".to_owned()]).await.unwrap_err();
    assert!(!text.contains(['{', '(']) && text.contains("no-such-host.invalid:6379"), "{text}");
}

/// Whether the text names the server and has nothing of Rust's debug form.
fn is_a_sentence(text: &str, port: u16) -> bool {
    println!("{text}");
    text.starts_with(&format!("connect to redis at 127.0.0.1:{port}/0: ")) && !text.contains(['{', '}', '"'])
}

#[tokio::test]
async fn a_socket_is_a_server_too() {
    let folder = tempfile::tempdir().unwrap();
    let socket = path(&folder, "redis.sock");
    let redis = TestRedis::start_with(&["--unixsocket", &socket]).await;
    assert!(Path::new(&socket).exists());
    connect_once(&[format!("--redis-url=redis+unix://{socket}"), "--redis-db=3".to_owned()]).await.unwrap();
    assert_eq!(redis.client_for_db(3).await.get::<String, _>("k").await.unwrap(), "v");
    let pool = connect::pool(&parse(&[format!("--redis-url=redis+unix://{socket}")])).unwrap();
    crate::healed(&pool).await;
}

#[test]
fn a_missing_file_is_refused_at_start_by_the_name_of_the_variable() {
    let args = ["test", "--redis-url=rediss://db", "--redis-tls-ca=/missing.pem"];
    let text = <crate::Cli as clap::Parser>::try_parse_from(args).err().unwrap().to_string();
    assert!(text.contains("REDIS_TLS_CA") && text.contains("there is no file /missing.pem"), "{text}");
}
