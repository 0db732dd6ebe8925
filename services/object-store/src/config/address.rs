//! The address for clients, as scaler writes it.

use std::path::PathBuf;

/// The address for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) place: Place,
    /// The client begins with a TLS handshake.
    pub(crate) tls: bool,
    /// Then it begins with a WebSocket handshake.
    pub(crate) websocket: bool,
}

/// Where the node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// HOST:PORT
    Tcp(String),
    /// The path of a Unix socket.
    Local(PathBuf),
}

const MUST_BE: &str = "must be tcp://HOST:PORT, tls://, ws:// or wss:// with the same, or ipc://PATH";

pub(super) fn parse(text: &str) -> Result<Address, String> {
    let fail = || MUST_BE.to_owned();
    let (scheme, rest) = text.split_once("://").ok_or_else(fail)?;
    let (tls, websocket) = match scheme {
        "tcp" => (false, false),
        "tls" => (true, false),
        "ws" => (false, true),
        "wss" => (true, true),
        "ipc" if !rest.is_empty() => {
            return Ok(Address { place: Place::Local(rest.into()), tls: false, websocket: false });
        }
        _ => return Err(fail()),
    };
    // Released servers take a WebSocket at any path, too.
    let host = if websocket { rest.split('/').next().unwrap_or(rest) } else { rest.trim_end_matches('/') };
    let (name, port) = host.rsplit_once(':').ok_or_else(fail)?;
    if name.is_empty() || port.parse::<u16>().is_err() {
        return Err(fail());
    }
    let host = host.replacen("*:", "0.0.0.0:", 1);
    Ok(Address { place: Place::Tcp(host), tls, websocket })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_scaler_writes_them() {
        for (text, host, tls, websocket) in [
            ("tcp://127.0.0.1:2346", "127.0.0.1:2346", false, false),
            ("tcp://[::1]:2346/", "[::1]:2346", false, false),
            ("tcp://*:2346", "0.0.0.0:2346", false, false),
            ("tls://localhost:2346", "localhost:2346", true, false),
            ("ws://127.0.0.1:2346", "127.0.0.1:2346", false, true),
            ("wss://127.0.0.1:2346/any/path", "127.0.0.1:2346", true, true),
        ] {
            let address = Address { place: Place::Tcp(host.to_owned()), tls, websocket };
            assert_eq!(parse(text), Ok(address), "{text}");
        }
        assert_eq!(parse("ipc:///run/store").unwrap().place, Place::Local("/run/store".into()));
        for bad in
            ["", "127.0.0.1:2346", "http://h:1", "tcp://h", "tcp://:1", "ws://h:x", "ws://h/:1", "ipc://"]
        {
            assert_eq!(parse(bad), Err(MUST_BE.to_owned()), "{bad}");
        }
    }
}
