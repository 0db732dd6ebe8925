use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

/// A TCP proxy on a free port of 127.0.0.1, for breaking connections in the ways in which networks break
/// them.
pub struct FlakyProxy {
    port: u16,
    target: Arc<AtomicU16>,
    mode: watch::Sender<Mode>,
    /// Connections of an earlier epoch stay open, but nothing is forwarded on them.
    epoch: watch::Sender<u64>,
    /// What is sent to the server in the clients' names.
    forged: broadcast::Sender<&'static [u8]>,
    accept_task: JoinHandle<()>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Forwarding,
    Stalled,
    Cut,
}

impl FlakyProxy {
    /// Starts a proxy to `port` of 127.0.0.1. It forwards everything.
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind the proxy");
        let own_port = listener.local_addr().expect("the proxy is bound").port();
        let (mode, receiver) = watch::channel(Mode::Forwarding);
        let (epoch, epochs) = watch::channel(0);
        let target = Arc::new(AtomicU16::new(port));
        let targets = Arc::clone(&target);
        let forged = broadcast::Sender::new(1);
        let forging = forged.clone();
        let accept_task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let port = targets.load(Ordering::Relaxed);
                let connection = forward(client, port, receiver.clone(), forging.subscribe());
                tokio::spawn(until_forgotten(connection, epochs.clone()));
            }
        });
        Self { port: own_port, target, mode, epoch, forged, accept_task }
    }

    /// The port on which the proxy listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes every connection, and each new one at once.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Keeps connections open, but forwards nothing.
    pub fn stall(&self) {
        self.mode.send_replace(Mode::Stalled);
    }

    /// Forwards new connections to another port. Existing ones are not affected.
    pub fn redirect(&self, port: u16) {
        self.target.store(port, Ordering::Relaxed);
    }

    /// Forgets the existing connections, as a NAT gateway does: they stay open, but nothing is forwarded on
    /// them. New ones work.
    pub fn forget(&self) {
        self.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Sends this to the server on every connection, as though the client had.
    pub fn forge(&self, bytes: &'static [u8]) {
        // Without a connection there is nobody to take it.
        let _ = self.forged.send(bytes);
    }

    /// Forwards again. Connections that were cut stay closed; those that were stalled continue.
    pub fn restore(&self) {
        self.mode.send_replace(Mode::Forwarding);
    }
}

impl Drop for FlakyProxy {
    fn drop(&mut self) {
        self.accept_task.abort();
        self.cut();
    }
}

/// Runs a connection until it is forgotten. After that its sockets stay open until the proxy is dropped, but
/// nothing reads them.
async fn until_forgotten(connection: impl Future<Output = ()>, mut epochs: watch::Receiver<u64>) {
    epochs.mark_unchanged();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        () = &mut connection => {}
        changed = epochs.changed() => if changed.is_ok() {
            while epochs.changed().await.is_ok() {}
        }
    }
}

async fn forward(
    client: TcpStream,
    port: u16,
    mut mode: watch::Receiver<Mode>,
    forged: broadcast::Receiver<&'static [u8]>,
) {
    if mode.wait_for(|mode| *mode != Mode::Stalled).await.is_ok_and(|mode| *mode == Mode::Cut) {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((client_reads, client_writes), (server_reads, server_writes)) =
        (client.into_split(), server.into_split());
    let (_, nothing_forged) = broadcast::channel(1);
    tokio::select! {
        () = copy(client_reads, server_writes, mode.clone(), forged) => {}
        () = copy(server_reads, client_writes, mode.clone(), nothing_forged) => {}
        _ = mode.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
    mut forged: broadcast::Receiver<&'static [u8]>,
) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let next = tokio::select! {
            read = from.read(&mut bytes) => match read {
                Ok(1..) if mode.wait_for(|mode| *mode == Mode::Forwarding).await.is_err() => return,
                Ok(0) | Err(_) => return,
                Ok(length) => &bytes[..length],
            },
            Ok(forged) = forged.recv() => forged,
        };
        if to.write_all(next).await.is_err() {
            return;
        }
    }
}
