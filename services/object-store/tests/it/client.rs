//! A client of the wire, and nodes for it to talk to.

use std::time::Duration;

use object_store::ObjectId;
use object_store::header::{Ask, HEADER_LEN, RequestHeader, encode_id};
use object_store::ymq::{GOODBYE, hello};
use test_support::{ServiceProcess, TestRedis, free_port};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything takes here.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Longer than a node waits for Redis to answer: what it then sends again has been executed, or will be.
pub(crate) const OUTAGE: Duration = Duration::from_secs(10);

/// How much is done: by default a part of what `OBJECT_STORE_TEST_FULL=1` does, which is what the service promises.
pub(crate) fn size(usual: usize, full: usize) -> usize {
    if std::env::vars().any(|(name, text)| name == "OBJECT_STORE_TEST_FULL" && text == "1") {
        full
    } else {
        usual
    }
}

/// A running object-store and the port for its clients.
pub(crate) struct Node {
    pub(crate) process: ServiceProcess,
    pub(crate) port: u16,
    scheme: &'static str,
    vars: Vec<(String, String)>,
}

impl Node {
    /// One in memory, with these settings besides.
    pub(crate) async fn memory(vars: &[(&str, &str)]) -> Self {
        Self::start("tcp", free_port(), owned(vars)).await
    }

    /// One in memory that speaks TLS, with a certificate of its own.
    pub(crate) async fn tls() -> Self {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");
        let (cert, key) = (format!("{dir}/cert.pem"), format!("{dir}/key.pem"));
        let vars = [("OBJECT_STORE_TLS_CERT", cert.as_str()), ("OBJECT_STORE_TLS_KEY", &key)];
        Self::start("tls", free_port(), owned(&vars)).await
    }

    /// One of the nodes on this Redis.
    pub(crate) async fn redis(redis: &TestRedis) -> Self {
        Self::redis_with(&redis.url(), &[]).await
    }

    /// One of the nodes on the Redis at this address, with these settings besides.
    pub(crate) async fn redis_with(url: &str, vars: &[(&str, &str)]) -> Self {
        let redis = [("OBJECT_STORE_BACKEND", "redis"), ("REDIS_URL", url)];
        let node = Self::memory(&[&redis, vars].concat()).await;
        node.process.wait_until_ready().await;
        node
    }

    async fn start(scheme: &'static str, port: u16, vars: Vec<(String, String)>) -> Self {
        let address = format!("{scheme}://127.0.0.1:{port}");
        let mut given: Vec<_> = vars.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        given.push(("OBJECT_STORE_ADDRESS", &address));
        let process = ServiceProcess::start(env!("CARGO_BIN_EXE_object-store"), &given).await;
        Self { process, port, scheme, vars }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// SIGKILL, and the same node again.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.process.kill().await;
        self.restart().await;
    }

    /// The same node again, after it ended.
    pub(crate) async fn restart(&mut self) {
        *self = Self::start(self.scheme, self.port, std::mem::take(&mut self.vars)).await;
        self.process.wait_until_ready().await;
    }

    /// Resident memory in bytes, without the pages of the program itself, which are many in a debug build.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// A number of `/info`.
    pub(crate) async fn info(&self, name: &str) -> u64 {
        let (status, body) = self.process.get("/info").await;
        assert_eq!(status, 200, "{body}");
        let info: serde_json::Value = serde_json::from_str(&body).unwrap();
        info[name].as_u64().unwrap_or_else(|| panic!("{name} in {body}"))
    }
}

fn owned(vars: &[(&str, &str)]) -> Vec<(String, String)> {
    vars.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// What a client hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) request: u64,
    pub(crate) kind: u16,
    pub(crate) payload: Vec<u8>,
}

pub(crate) const SET: u16 = 0;
pub(crate) const GOT: u16 = 1;
pub(crate) const DELETED: u16 = 2;
pub(crate) const NOT_EXISTS: u16 = 3;
pub(crate) const DUPLICATED: u16 = 4;
pub(crate) const TOTALS: u16 = 5;

/// The id number `n`.
pub(crate) fn id(n: u64) -> ObjectId {
    ObjectId::new(&[[0xab; 24].as_slice(), &n.to_be_bytes()].concat()).unwrap()
}

/// A connected client.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    next: u64,
}

impl Client {
    pub(crate) async fn connect(port: u16, identity: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&hello(2, identity.as_bytes())).await.unwrap();
        let mut answer = vec![0; hello(2, b"ObjectStorageServer").len()];
        timeout(SOON, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, hello(2, b"ObjectStorageServer"));
        Self { stream, next: 0 }
    }

    pub(crate) async fn send(&mut self, ask: Ask, id: &ObjectId, length: u64, payload: Option<&[u8]>) -> u64 {
        let (bytes, request) = self.request(ask, id, length, payload);
        self.stream.write_all(&bytes).await.unwrap();
        request
    }

    /// The bytes of a request, and its number.
    pub(crate) fn request(
        &mut self,
        ask: Ask,
        id: &ObjectId,
        length: u64,
        payload: Option<&[u8]>,
    ) -> (Vec<u8>, u64) {
        let request = self.next;
        self.next += 1;
        let header = RequestHeader { id: id.clone(), payload_length: length, request, ask };
        let mut bytes = [&(HEADER_LEN as u64).to_le_bytes(), header.encode().as_slice()].concat();
        if let Some(payload) = payload {
            bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
            bytes.extend_from_slice(payload);
        }
        (bytes, request)
    }

    pub(crate) async fn send_set(&mut self, id: &ObjectId, data: &[u8]) -> u64 {
        self.send(Ask::Set, id, data.len() as u64, Some(data)).await
    }

    pub(crate) async fn send_get(&mut self, id: &ObjectId) -> u64 {
        self.send(Ask::Get, id, u64::MAX, None).await
    }

    pub(crate) async fn send_duplicate(&mut self, id: &ObjectId, original: &ObjectId) -> u64 {
        self.send(Ask::Duplicate, id, 48, Some(&encode_id(original))).await
    }

    pub(crate) async fn set(&mut self, id: &ObjectId, data: &[u8]) -> u16 {
        let request = self.send_set(id, data).await;
        self.answer(request).await.kind
    }

    pub(crate) async fn get(&mut self, id: &ObjectId) -> Vec<u8> {
        let request = self.send_get(id).await;
        let response = self.answer(request).await;
        assert_eq!(response.kind, GOT);
        response.payload
    }

    pub(crate) async fn delete(&mut self, id: &ObjectId) -> u16 {
        let request = self.send(Ask::Delete, id, 0, None).await;
        self.answer(request).await.kind
    }

    pub(crate) async fn duplicate(&mut self, id: &ObjectId, original: &ObjectId) -> u16 {
        let request = self.send_duplicate(id, original).await;
        self.answer(request).await.kind
    }

    /// Ids, contents, bytes, requests that wait, objects waited for, age of the oldest.
    pub(crate) async fn totals(&mut self) -> Vec<u64> {
        let request = self.send(Ask::Totals, &id(0), 0, None).await;
        let response = self.answer(request).await;
        assert_eq!((response.kind, response.payload.len()), (TOTALS, 48));
        response.payload.chunks(8).map(|number| u64::from_le_bytes(number.try_into().unwrap())).collect()
    }

    /// The next response, which must be to `request`.
    pub(crate) async fn answer(&mut self, request: u64) -> Response {
        let response = self.receive().await;
        assert_eq!(response.request, request);
        response
    }

    pub(crate) async fn receive(&mut self) -> Response {
        timeout(SOON, self.receive_or_end()).await.expect("an answer in time").expect("a connection")
    }

    /// `None` when the connection ended.
    pub(crate) async fn receive_or_end(&mut self) -> Option<Response> {
        receive_from(&mut self.stream).await
    }

    /// True if nothing is said for a moment.
    pub(crate) async fn hears_nothing(&mut self) -> bool {
        timeout(Duration::from_millis(100), self.receive_or_end()).await.is_err()
    }

    /// Ends the connection with RST, as a client that crashed or lost its network.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

/// The next response on a connection; `None` when it ended, or the node said goodbye.
pub(crate) async fn receive_from(stream: &mut (impl AsyncRead + Unpin)) -> Option<Response> {
    let length = stream.read_u64_le().await.ok()?;
    if length.to_le_bytes() == GOODBYE {
        return None;
    }
    assert_eq!(length, HEADER_LEN as u64);
    let mut head = [0; HEADER_LEN];
    stream.read_exact(&mut head).await.ok()?;
    // An answer is laid out as a request, so it can be read as one.
    let header = RequestHeader::decode(&head).unwrap();
    let kind = u16::from_le_bytes([head[32], head[33]]);
    let mut payload = Vec::new();
    if header.payload_length > 0 {
        assert_eq!(stream.read_u64_le().await.ok()?, header.payload_length);
        payload.resize(header.payload_length as usize, 0);
        stream.read_exact(&mut payload).await.ok()?;
    }
    Some(Response { request: header.request, kind, payload })
}
