//! The client of a case.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::case::{BINARY, CLOSE, CONTINUATION, Case, End, FIN, PING, PONG, TEXT, close, whole};

/// The time that a case may take. A busy machine needs far less.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The payload of the ping that shows whether the connection is still open.
const STILL_OPEN: &[u8] = b"still open?";

/// Plays the case and returns what the server did wrong.
pub(super) async fn play(port: u16, path: &str, case: &Case, segment: usize) -> Result<(), String> {
    match timeout(TIMEOUT, exchange(port, path, case, segment)).await {
        Ok(result) => result.map_err(|error| format!("{error:#}")),
        Err(_) => Err("no answer".to_owned()),
    }
}

async fn exchange(port: u16, path: &str, case: &Case, segment: usize) -> anyhow::Result<()> {
    let mut stream = connect(port, path).await?;
    for part in case.bytes.chunks(segment) {
        // The server may have closed the connection at an earlier part.
        if stream.write_all(part).await.is_err() {
            break;
        }
        if segment == 1 {
            tokio::task::yield_now().await;
        }
    }
    let mut pongs = case.pongs.clone();
    if case.end == End::Open {
        stream.write_all(&whole(PING, STILL_OPEN)).await.context("cannot write")?;
        pongs.push(STILL_OPEN.to_vec());
    }
    for expected in pongs {
        match next(&mut stream).await? {
            Answer::Pong(payload) => ensure!(payload == expected, "pong {payload:?}, expected {expected:?}"),
            Answer::Close(code, reason) => bail!("closed with {code} ({reason}) before pong {expected:?}"),
        }
    }
    let codes = match &case.end {
        End::Open => {
            stream.write_all(&close(1000, b"")).await.context("cannot write")?;
            &[1000][..]
        }
        End::Close(codes) => codes,
    };
    match next(&mut stream).await? {
        Answer::Close(code, reason) => {
            ensure!(codes.contains(&code), "closed with {code} ({reason}), expected {codes:?}");
        }
        Answer::Pong(payload) => bail!("pong {payload:?}, expected a close with {codes:?}"),
    }
    if case.end != End::Open {
        // After an error the server need not understand our answer, but it must see that the connection ends.
        let _ = stream.write_all(&close(1000, b"")).await;
        let _ = stream.shutdown().await;
    }
    let mut rest = Vec::new();
    let end = stream.read_to_end(&mut rest).await;
    ensure!(end.is_err() || rest.is_empty(), "{rest:?} after the close frame");
    Ok(())
}

async fn connect(port: u16, path: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.context("no answer to the handshake")?);
    }
    ensure!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    Ok(stream)
}

enum Answer {
    Pong(Vec<u8>),
    /// The code and the reason.
    Close(u16, String),
}

/// The next pong or close frame. Messages and pings of the server are passed over.
async fn next(stream: &mut TcpStream) -> anyhow::Result<Answer> {
    loop {
        let first = stream.read_u8().await.context("the connection ended without a close frame")?;
        let length = match stream.read_u8().await? {
            126 => usize::from(stream.read_u16().await?),
            127 => usize::try_from(stream.read_u64().await?)?,
            length => usize::from(length),
        };
        ensure!(length < 1 << 24, "a frame of {length} bytes");
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await?;
        match (first & !FIN, payload.as_slice()) {
            (PONG, _) => return Ok(Answer::Pong(payload)),
            (CLOSE, []) => return Ok(Answer::Close(1005, String::new())),
            (CLOSE, [high, low, reason @ ..]) => {
                let reason = String::from_utf8_lossy(reason).into_owned();
                return Ok(Answer::Close(u16::from_be_bytes([*high, *low]), reason));
            }
            (PING | TEXT | BINARY | CONTINUATION, _) => {}
            _ => bail!("the server sent a frame that begins with {first:#x}"),
        }
    }
}
