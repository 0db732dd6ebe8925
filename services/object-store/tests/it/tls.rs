//! Clients over TLS. The certificate in `tests/tls` is for 127.0.0.1 and signed by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::header::{Ask, RequestHeader};
use object_store::ymq::hello;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::{GOT, Node, SET, SOON, id, receive_from};

async fn connect(port: u16) -> TlsStream<TcpStream> {
    let cert = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/cert.pem");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cert).unwrap()).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("127.0.0.1").unwrap(), stream)
        .await
        .unwrap()
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

#[tokio::test]
async fn a_client_speaks_tls_and_one_without_it_is_turned_away() {
    let node = Node::tls().await;
    let mut plain = TcpStream::connect(("127.0.0.1", node.port)).await.unwrap();
    plain.write_all(&hello(2, b"plain")).await.unwrap();
    let mut heard = Vec::new();
    let _ = timeout(SOON, plain.read_to_end(&mut heard)).await.unwrap();
    assert!(!heard.starts_with(b"YMQ"), "it is told nothing in the clear");

    let mut client = connect(node.port).await;
    let greeting = hello(2, b"ObjectStorageServer");
    let mut answer = vec![0; greeting.len()];
    client.write_all(&hello(2, b"secret")).await.unwrap();
    timeout(SOON, client.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, greeting);
    for (n, length) in [(1, 5), (2, 100_000), (3, 16 << 20)] {
        let data = vec![n as u8; length];
        let set = RequestHeader { id: id(n), payload_length: length as u64, request: n, ask: Ask::Set };
        let get = RequestHeader { payload_length: u64::MAX, ask: Ask::Get, ..set.clone() };
        let requests = [frame(&set.encode()), frame(&data), frame(&get.encode())].concat();
        client.write_all(&requests).await.unwrap();
        client.flush().await.unwrap();
        assert_eq!(timeout(SOON, receive_from(&mut client)).await.unwrap().unwrap().kind, SET);
        let got = timeout(SOON, receive_from(&mut client)).await.unwrap().unwrap();
        assert!(got.kind == GOT && got.payload == data);
    }
}

#[tokio::test]
async fn a_client_with_tls_is_served_until_it_is_silent_when_the_node_stops() {
    let mut node = Node::tls().await;
    let mut client = connect(node.port).await;
    client.write_all(&hello(2, b"secret")).await.unwrap();
    client.read_exact(&mut vec![0; hello(2, b"ObjectStorageServer").len()]).await.unwrap();
    let stopping = tokio::spawn(async move { node.process.terminate().await });
    let began = Instant::now();
    let mut answers = 0;
    let end = loop {
        let totals = RequestHeader { id: id(0), payload_length: 0, request: 0, ask: Ask::Totals };
        client.write_all(&frame(&totals.encode())).await.unwrap();
        client.flush().await.unwrap();
        assert!(timeout(SOON, receive_from(&mut client)).await.unwrap().is_some());
        answers += 1;
        if answers == 10 {
            let asked = Instant::now();
            assert!(receive_from(&mut client).await.is_none());
            break asked.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(end >= Duration::from_millis(90), "{end:?}");
    assert!(began.elapsed() >= Duration::from_millis(270));
    assert_eq!(stopping.await.unwrap(), 0);
}
