//! Clients over TLS. The certificate in `tests/tls` is self-signed, for 127.0.0.1.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::header::{RequestHeader, RequestKind};
use object_store::ymq::encode_hello;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use test_support::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::{DEADLINE, GOT, Node, SET, id, receive_from};

async fn connect(port: u16) -> TlsStream<TcpStream> {
    let cert = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/cert.pem");
    try_connect(port, Path::new(cert)).await.unwrap()
}

/// Connects, and trusts this certificate only.
async fn try_connect(port: u16, cert: &Path) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cert).unwrap()).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
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
    assert!(end >= Duration::from_millis(90), "{end:?}");
    assert!(began.elapsed() >= Duration::from_millis(270));
    assert_eq!(stopping.await.unwrap(), 0);
}
