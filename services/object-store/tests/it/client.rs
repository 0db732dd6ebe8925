//! A client of the wire protocol, and nodes for it to connect to.

use std::path::Path;
use std::time::Duration;

use object_store::ObjectId;
use object_store::header::{HEADER_LEN, RequestHeader, RequestKind, encode_id};
use object_store::ymq::{GOODBYE, encode_hello};
use test_support::{ServiceProcess, TestRedis, eventually, free_port};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any single step of a test takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// Longer than a node waits for a reply of Redis. By then it has sent again what was not answered.
pub(crate) const OUTAGE: Duration = Duration::from_secs(10);

/// The size of a test: `usual`, or with `OBJECT_STORE_TEST_FULL=1` the size that the service promises.
pub(crate) fn size(usual: usize, full: usize) -> usize {
    if test_support::is_full_size("OBJECT_STORE_TEST_FULL") { full } else { usual }
}

/// Lets tests store and delete over HTTP, unless they say otherwise.
const WRITES: &str = "OBJECT_STORE_HTTP_WRITES";

/// A running object-store, and its port for clients.
pub(crate) struct Node {
    pub(crate) process: ServiceProcess,
    pub(crate) port: u16,
    address: String,
    vars: Vec<(String, String)>,
}

impl Node {
    /// A node with the memory backend and these settings.
    pub(crate) async fn memory(vars: &[(&str, &str)]) -> Self {
        Self::over("tcp", vars).await
    }

    pub(crate) async fn wait_until_nobody_is_connected(&self) {
        eventually("nobody is connected", async || {
            self.process.metric("object_store_connections").await == 0.0
        })
        .await;
    }

    /// A node with the memory backend that clients reach over TLS. Its certificate is self-signed.
    pub(crate) async fn tls() -> Self {
        Self::tls_with(self_signed()).await
    }

    /// A node with the certificate and the key of this folder.
    pub(crate) async fn tls_with(dir: &Path) -> Self {
        let files = tls_files(dir);
        Self::over("tls", &files.each_ref().map(|(name, file)| (*name, file.as_str()))).await
    }

    /// A node with the memory backend that clients reach over this scheme: tcp, tls, ws or wss.
    pub(crate) async fn over(scheme: &str, vars: &[(&str, &str)]) -> Self {
        let port = free_port();
        Self::start(format!("{scheme}://127.0.0.1:{port}"), port, owned(vars)).await
    }

    /// A node with the memory backend that clients reach at this Unix socket.
    pub(crate) async fn local(path: &Path) -> Self {
        Self::start(format!("ipc://{}", path.display()), 0, Vec::new()).await
    }

    /// A node on this Redis.
    pub(crate) async fn redis(redis: &TestRedis) -> Self {
        Self::redis_with(&redis.url(), &[]).await
    }

    /// A node on the Redis at this address, with these settings.
    pub(crate) async fn redis_with(url: &str, vars: &[(&str, &str)]) -> Self {
        let redis = [("OBJECT_STORE_BACKEND", "redis"), ("REDIS_URL", url)];
        let node = Self::memory(&[&redis, vars].concat()).await;
        node.process.wait_until_ready().await;
        node
    }

    async fn start(address: String, port: u16, vars: Vec<(String, String)>) -> Self {
        let mut given: Vec<_> = vars.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        given.push(("OBJECT_STORE_ADDRESS", &address));
        if !given.iter().any(|(name, _)| name.starts_with("OBJECT_STORE_TOKEN") || *name == WRITES) {
            given.push((WRITES, "true"));
        }
        let process = ServiceProcess::start(env!("CARGO_BIN_EXE_object-store"), &given).await;
        Self { process, port, address, vars }
    }

    /// The address for clients.
    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// Kills the node with SIGKILL and starts it again.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.process.kill().await;
        self.restart().await;
    }

    /// Starts the node again after it has ended.
    pub(crate) async fn restart(&mut self) {
        *self = Self::start(self.address(), self.port, std::mem::take(&mut self.vars)).await;
        self.process.wait_until_ready().await;
    }

    /// Resident memory in bytes, without the pages of the program file, which are many in a debug build.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// A number from `/info`.
    pub(crate) async fn info(&self, name: &str) -> u64 {
        let (status, body) = self.process.get("/info").await;
        assert_eq!(status, 200, "{body}");
        let info: serde_json::Value = serde_json::from_str(&body).unwrap();
        info[name].as_u64().unwrap_or_else(|| panic!("{name} in {body}"))
    }
}

/// The certificate of `tests/tls` is self-signed, for 127.0.0.1.
pub(crate) fn self_signed() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls"))
}

/// The settings that name the certificate and the key of a folder.
pub(crate) fn tls_files(dir: &Path) -> [(&'static str, String); 2] {
    [("OBJECT_STORE_TLS_CERT", "cert.pem"), ("OBJECT_STORE_TLS_KEY", "key.pem")]
        .map(|(variable, name)| (variable, dir.join(name).display().to_string()))
}

fn owned(vars: &[(&str, &str)]) -> Vec<(String, String)> {
    vars.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// A response as a client receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) request_id: u64,
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
    next_request_id: u64,
}

impl Client {
    pub(crate) async fn connect(port: u16, identity: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&encode_hello(2, identity.as_bytes())).await.unwrap();
        let mut hello = vec![0; encode_hello(2, b"ObjectStorageServer").len()];
        timeout(DEADLINE, stream.read_exact(&mut hello)).await.unwrap().unwrap();
        assert_eq!(hello, encode_hello(2, b"ObjectStorageServer"));
        Self { stream, next_request_id: 0 }
    }

    /// Sends a request and returns its id.
    pub(crate) async fn send(
        &mut self,
        kind: RequestKind,
        id: &ObjectId,
        length: u64,
        payload: Option<&[u8]>,
    ) -> u64 {
        let (bytes, request_id) = self.encode_request(kind, id, length, payload);
        self.stream.write_all(&bytes).await.unwrap();
        request_id
    }

    /// The bytes of a new request, and its id.
    pub(crate) fn encode_request(
        &mut self,
        kind: RequestKind,
        id: &ObjectId,
        length: u64,
        payload: Option<&[u8]>,
    ) -> (Vec<u8>, u64) {
        let request_id = self.next_request_id;
        self.next_request_id += 1;
        let header = RequestHeader { id: id.clone(), payload_length: length, request_id, kind };
        let mut bytes = [&(HEADER_LEN as u64).to_le_bytes(), header.encode().as_slice()].concat();
        if let Some(payload) = payload {
            bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
            bytes.extend_from_slice(payload);
        }
        (bytes, request_id)
    }

    pub(crate) async fn send_set(&mut self, id: &ObjectId, data: &[u8]) -> u64 {
        self.send(RequestKind::Set, id, data.len() as u64, Some(data)).await
    }

    pub(crate) async fn send_get(&mut self, id: &ObjectId) -> u64 {
        self.send(RequestKind::Get, id, u64::MAX, None).await
    }

    pub(crate) async fn send_duplicate(&mut self, id: &ObjectId, original: &ObjectId) -> u64 {
        self.send(RequestKind::Duplicate, id, 48, Some(&encode_id(original))).await
    }

    pub(crate) async fn set(&mut self, id: &ObjectId, data: &[u8]) -> u16 {
        let request_id = self.send_set(id, data).await;
        self.receive_response_to(request_id).await.kind
    }

    pub(crate) async fn get(&mut self, id: &ObjectId) -> Vec<u8> {
        let request_id = self.send_get(id).await;
        let response = self.receive_response_to(request_id).await;
        assert_eq!(response.kind, GOT);
        response.payload
    }

    pub(crate) async fn delete(&mut self, id: &ObjectId) -> u16 {
        let request_id = self.send(RequestKind::Delete, id, 0, None).await;
        self.receive_response_to(request_id).await.kind
    }

    pub(crate) async fn duplicate(&mut self, id: &ObjectId, original: &ObjectId) -> u16 {
        let request_id = self.send_duplicate(id, original).await;
        self.receive_response_to(request_id).await.kind
    }

    /// Ids, contents, bytes, waiting requests, awaited objects, age of the oldest wait.
    pub(crate) async fn totals(&mut self) -> Vec<u64> {
        let request_id = self.send(RequestKind::Totals, &id(0), 0, None).await;
        let response = self.receive_response_to(request_id).await;
        assert_eq!((response.kind, response.payload.len()), (TOTALS, 48));
        response.payload.chunks(8).map(|number| u64::from_le_bytes(number.try_into().unwrap())).collect()
    }

    /// Receives the next response, which has to be the one to this request.
    pub(crate) async fn receive_response_to(&mut self, request_id: u64) -> Response {
        let response = self.receive().await;
        assert_eq!(response.request_id, request_id);
        response
    }

    pub(crate) async fn receive(&mut self) -> Response {
        timeout(DEADLINE, self.receive_or_end()).await.expect("a response in time").expect("a connection")
    }

    /// Receives the next response. `None` if the connection ended.
    pub(crate) async fn receive_or_end(&mut self) -> Option<Response> {
        receive_from(&mut self.stream).await
    }

    /// True if no response comes within 100 ms.
    pub(crate) async fn receives_nothing(&mut self) -> bool {
        timeout(Duration::from_millis(100), self.receive_or_end()).await.is_err()
    }

    /// Ends the connection with RST, like a client that crashed or lost its network.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

/// Receives the next response on a connection. `None` if it ended, or the node said goodbye.
pub(crate) async fn receive_from(stream: &mut (impl AsyncRead + Unpin)) -> Option<Response> {
    let length = stream.read_u64_le().await.ok()?;
    if length.to_le_bytes() == GOODBYE {
        return None;
    }
    assert_eq!(length, HEADER_LEN as u64);
    let mut head = [0; HEADER_LEN];
    stream.read_exact(&mut head).await.ok()?;
    // A response has the layout of a request, so it can be decoded as one.
    let header = RequestHeader::decode(&head).unwrap();
    let kind = u16::from_le_bytes([head[32], head[33]]);
    let mut payload = Vec::new();
    if header.payload_length > 0 {
        assert_eq!(stream.read_u64_le().await.ok()?, header.payload_length);
        payload.resize(header.payload_length as usize, 0);
        stream.read_exact(&mut payload).await.ok()?;
    }
    Some(Response { request_id: header.request_id, kind, payload })
}
