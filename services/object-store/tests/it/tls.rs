//! Clients over TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use object_store::header::{RequestHeader, RequestKind};
use object_store::ymq::encode_hello;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use test_support::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{DEADLINE, GOT, Node, SET, id, receive_from, self_signed, tls_files};

async fn connect(port: u16) -> TlsStream<TcpStream> {
    try_connect(port, &self_signed().join("cert.pem")).await.unwrap()
}

/// Connects, and trusts this certificate only.
async fn try_connect(port: u16, cert: &Path) -> std::io::Result<TlsStream<TcpStream>> {
    connect_as(port, cert, None).await
}

/// The same, with the certificate and the key of this folder.
async fn connect_as(port: u16, cert: &Path, own: Option<&Path>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cert).unwrap()).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some(dir) => {
            let own = CertificateDer::from_pem_file(dir.join("cert.pem")).unwrap();
            let key = PrivateKeyDer::from_pem_file(dir.join("key.pem")).unwrap();
            config.with_client_auth_cert(vec![own], key).unwrap()
        }
    };
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

#[tokio::test]
async fn a_client_with_tls_is_served_and_one_without_is_not() {
    let node = Node::tls().await;
    let mut plain = TcpStream::connect(("127.0.0.1", node.port)).await.unwrap();
    plain.write_all(&encode_hello(2, b"plain")).await.unwrap();
    let mut received = Vec::new();
    let _ = timeout(DEADLINE, plain.read_to_end(&mut received)).await.unwrap();
    assert!(!received.starts_with(b"YMQ"), "it gets no hello in plain text");

    let mut client = connect(node.port).await;
    let expected = encode_hello(2, b"ObjectStorageServer");
    let mut hello = vec![0; expected.len()];
    client.write_all(&encode_hello(2, b"secret")).await.unwrap();
    timeout(DEADLINE, client.read_exact(&mut hello)).await.unwrap().unwrap();
    assert_eq!(hello, expected);
    for (n, length) in [(1, 5), (2, 100_000), (3, 16 << 20)] {
        let data = vec![n as u8; length];
        let set =
            RequestHeader { id: id(n), payload_length: length as u64, request_id: n, kind: RequestKind::Set };
        let get = RequestHeader { payload_length: u64::MAX, kind: RequestKind::Get, ..set.clone() };
        let requests = [frame(&set.encode()), frame(&data), frame(&get.encode())].concat();
        client.write_all(&requests).await.unwrap();
        client.flush().await.unwrap();
        assert_eq!(timeout(DEADLINE, receive_from(&mut client)).await.unwrap().unwrap().kind, SET);
        let got = timeout(DEADLINE, receive_from(&mut client)).await.unwrap().unwrap();
        assert!(got.kind == GOT && got.payload == data);
    }
}

/// Writes a new certificate with its key, and a copy of it under this name.
fn write_certificate(dir: &Path, name: &str) -> PathBuf {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let copy = dir.join(name);
    std::fs::write(&copy, made.cert.pem()).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    copy
}

#[tokio::test]
async fn a_sighup_reads_the_certificate_again_and_a_bad_one_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let first = write_certificate(dir.path(), "first.pem");
    let node = Node::tls_with(dir.path()).await;
    assert!(try_connect(node.port, &first).await.is_ok());

    let second = write_certificate(dir.path(), "second.pem");
    node.process.signal("HUP").await;
    eventually("new connections get the new certificate", async || {
        try_connect(node.port, &second).await.is_ok()
    })
    .await;

    std::fs::write(dir.path().join("cert.pem"), "garbage").unwrap();
    node.process.signal("HUP").await;
    eventually("the bad file is logged", async || node.process.log().contains("cannot use ")).await;
    assert!(try_connect(node.port, &second).await.is_ok());
}

#[tokio::test]
async fn a_certificate_that_has_changed_is_read_again_and_closes_no_connection() {
    let dir = tempfile::tempdir().unwrap();
    let first = write_certificate(dir.path(), "first.pem");
    let node = Node::tls_with(dir.path()).await;
    let mut open = try_connect(node.port, &first).await.unwrap();
    let second = write_certificate(dir.path(), "second.pem");
    eventually("new connections get the new certificate", async || {
        try_connect(node.port, &second).await.is_ok()
    })
    .await;
    std::fs::write(dir.path().join("cert.pem"), "garbage").unwrap();
    eventually("the bad file is logged", async || node.process.log().contains("stays as it was")).await;
    assert!(try_connect(node.port, &second).await.is_ok());
    let hello = encode_hello(2, b"open");
    open.write_all(&hello).await.unwrap();
    let mut answer = vec![0; encode_hello(2, b"ObjectStorageServer").len()];
    timeout(DEADLINE, open.read_exact(&mut answer)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_handshake_that_stops_halfway_is_cut_off_and_stops_nobody() {
    let files = tls_files(self_signed());
    let files = files.each_ref().map(|(name, file)| (*name, file.as_str()));
    for scheme in ["tls", "wss"] {
        let node =
            Node::over(scheme, &[files.as_slice(), &[("OBJECT_STORE_STALL_TIMEOUT", "1s")]].concat()).await;
        let mut halfway = TcpStream::connect(("127.0.0.1", node.port)).await.unwrap();
        // The head of a record of 512 bytes.
        halfway.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
        assert!(is_served(&node, None).await);
        let _reset_or_closed =
            timeout(DEADLINE, halfway.read_to_end(&mut Vec::new())).await.expect("its connection ends");
        let log = || node.process.log();
        eventually("it is logged", async || log().contains("refused: the handshake took too long")).await;
    }
}

#[tokio::test]
async fn when_the_node_stops_a_client_with_tls_is_served_until_it_is_quiet() {
    let mut node = Node::tls().await;
    let mut client = connect(node.port).await;
    client.write_all(&encode_hello(2, b"secret")).await.unwrap();
    client.read_exact(&mut vec![0; encode_hello(2, b"ObjectStorageServer").len()]).await.unwrap();
    let stopping = tokio::spawn(async move { node.process.terminate().await });
    let began = Instant::now();
    let mut responses = 0;
    let end = loop {
        let totals = RequestHeader { id: id(0), payload_length: 0, request_id: 0, kind: RequestKind::Totals };
        client.write_all(&frame(&totals.encode())).await.unwrap();
        client.flush().await.unwrap();
        assert!(timeout(DEADLINE, receive_from(&mut client)).await.unwrap().is_some());
        responses += 1;
        if responses == 10 {
            let last_response = Instant::now();
            assert!(receive_from(&mut client).await.is_none());
            break last_response.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // The response itself may have taken a while to come.
    assert!(end >= Duration::from_millis(50), "{end:?}");
    assert!(began.elapsed() >= Duration::from_millis(270));
    assert_eq!(stopping.await.unwrap(), 0);
}

/// A new authority: its certificate is `ca.pem`, and a certificate that it signed and its key are in the same folder.
fn write_client_certificate(dir: &Path) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let authority = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
    let client_key = rcgen::KeyPair::generate().unwrap();
    let client = rcgen::CertificateParams::new(["client".to_owned()]).unwrap();
    let client = client.signed_by(&client_key, &authority).unwrap();
    std::fs::write(dir.join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(dir.join("cert.pem"), client.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), client_key.serialize_pem()).unwrap();
}

/// True if the node answers the hello of a client with the certificate of this folder. With TLS 1.3 a client learns that it was
/// refused when it reads.
async fn is_served(node: &Node, own: Option<&Path>) -> bool {
    let Ok(mut stream) = connect_as(node.port, &self_signed().join("cert.pem"), own).await else {
        return false;
    };
    let (hello, expected) = (encode_hello(2, b"one"), encode_hello(2, b"ObjectStorageServer"));
    if node.address().starts_with("wss:") {
        let Ok((mut socket, _)) = tokio_tungstenite::client_async(node.address(), stream).await else {
            return false;
        };
        socket.send(Message::binary(hello)).await.unwrap();
        return matches!(socket.next().await, Some(Ok(Message::Binary(answer))) if answer == expected);
    }
    let mut answer = vec![0; expected.len()];
    stream.write_all(&hello).await.is_ok() && stream.read_exact(&mut answer).await.is_ok()
}

async fn only_those_with_a_certificate_of_the_authority_are_served(scheme: &str) {
    let (trusted, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_client_certificate(trusted.path());
    write_client_certificate(other.path());
    let ca = trusted.path().join("ca.pem");
    let [cert, key] = tls_files(self_signed());
    let vars = [
        (cert.0, cert.1.as_str()),
        (key.0, key.1.as_str()),
        ("OBJECT_STORE_TLS_CLIENT_CA", ca.to_str().unwrap()),
    ];
    let node = Node::over(scheme, &vars).await;
    let refused = || node.process.log().matches("connection refused: the TLS handshake failed").count();
    assert!(is_served(&node, Some(trusted.path())).await);
    assert_eq!(refused(), 0);
    assert!(!is_served(&node, None).await);
    eventually("one line says so", async || refused() == 1).await;
    assert!(!is_served(&node, Some(other.path())).await);
    eventually("one more line says so", async || refused() == 2).await;

    std::fs::copy(other.path().join("ca.pem"), &ca).unwrap();
    node.process.signal("HUP").await;
    eventually("the other authority is trusted", async || is_served(&node, Some(other.path())).await).await;
    assert!(!is_served(&node, Some(trusted.path())).await, "and the first one is not any more");
}

#[tokio::test]
async fn with_an_authority_for_clients_only_those_with_its_certificates_are_served_over_tls_and_wss() {
    tokio::join!(
        only_those_with_a_certificate_of_the_authority_are_served("tls"),
        only_those_with_a_certificate_of_the_authority_are_served("wss"),
    );
}
