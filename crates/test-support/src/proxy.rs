use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A TCP proxy on a free port of 127.0.0.1 that can be cut, stalled and restored.
pub struct FlakyProxy {
    port: u16,
    mode: watch::Sender<Mode>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Flows,
    Stalled,
    Cut,
}

impl FlakyProxy {
    /// A proxy to `port` of 127.0.0.1, through which everything flows.
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind the proxy");
        let own_port = listener.local_addr().expect("the proxy is bound").port();
        let (mode, receiver) = watch::channel(Mode::Flows);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, port, receiver.clone()));
            }
        });
        Self { port: own_port, mode, accepting }
    }

    /// The proxy's own port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends every connection, and each new one at once.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Lets connections stand, but nothing flows.
    pub fn stall(&self) {
        self.mode.send_replace(Mode::Stalled);
    }

    /// Everything flows again. What was cut stays cut; what was stalled goes on.
    pub fn restore(&self) {
        self.mode.send_replace(Mode::Flows);
    }
}

impl Drop for FlakyProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn carry(client: TcpStream, port: u16, mut mode: watch::Receiver<Mode>) {
    if mode.wait_for(|mode| *mode != Mode::Stalled).await.is_ok_and(|mode| *mode == Mode::Cut) {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((client_reads, client_writes), (server_reads, server_writes)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        () = pump(client_reads, server_writes, mode.clone()) => {}
        () = pump(server_reads, client_writes, mode.clone()) => {}
        _ = mode.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(length) = from.read(&mut bytes).await {
        let flows = mode.wait_for(|mode| *mode == Mode::Flows).await.is_ok();
        if length == 0 || !flows || to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
