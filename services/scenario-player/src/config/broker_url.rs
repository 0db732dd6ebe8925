//! Where the broker is: `MQTT_URL`.

use percent_encoding::percent_decode_str;
use url::Url;

/// How the broker is reached, and how to sign in there. There is no `Debug`: a password must not reach a log.
#[derive(Clone)]
pub(crate) struct BrokerUrl {
    pub(crate) transport: Transport,
    pub(crate) has_tls: bool,
    /// The host; for WebSockets the URL, without user and password.
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
}

/// What carries the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    WebSocket,
}

const MUST_BE: &str = "must be mqtt://, mqtts://, ws:// or wss://[user:password@]host[:port], and a path after ws:// or wss:// only";

impl BrokerUrl {
    pub(super) fn of_host(host: &str, port: u16, has_tls: bool) -> Self {
        let address = host.to_owned();
        Self { transport: Transport::Tcp, has_tls, address, port, username: None, password: None }
    }

    /// Reads a URL. The error does not repeat it: it may have a password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text).map_err(|error| format!("{MUST_BE}: {error}"))?;
        let (transport, has_tls, default_port) = match url.scheme() {
            "mqtt" => (Transport::Tcp, false, 1883),
            "mqtts" => (Transport::Tcp, true, 8883),
            "ws" => (Transport::WebSocket, false, 80),
            "wss" => (Transport::WebSocket, true, 443),
            _ => return Err(MUST_BE.to_owned()),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(MUST_BE)?.to_owned();
        let has_path = !matches!(url.path(), "" | "/") || url.query().is_some();
        if url.fragment().is_some() || (has_path && transport == Transport::Tcp) {
            return Err(MUST_BE.to_owned());
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let username = Some(url.username()).filter(|name| !name.is_empty()).map(decoded);
        let password = url.password().map(decoded);
        let port = url.port().unwrap_or(default_port);
        let address = match transport {
            Transport::Tcp => host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            Transport::WebSocket => {
                url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| MUST_BE)?;
                url.to_string()
            }
        };
        Ok(Self { transport, has_tls, address, port, username, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_how_the_broker_is_reached_and_who_signs_in() {
        let parse = |text| {
            let url = BrokerUrl::parse(text).ok().unwrap();
            (url.transport, url.has_tls, url.address, url.port)
        };
        let (tcp, websocket) = (Transport::Tcp, Transport::WebSocket);
        for (text, transport, has_tls, address, port) in [
            ("mqtt://broker", tcp, false, "broker", 1883),
            ("mqtts://broker/", tcp, true, "broker", 8883),
            ("mqtt://[::1]:7", tcp, false, "::1", 7),
            ("ws://broker", websocket, false, "ws://broker/", 80),
            ("wss://ann:x@broker:8084/mqtt?a=b", websocket, true, "wss://broker:8084/mqtt?a=b", 8084),
        ] {
            assert_eq!(parse(text), (transport, has_tls, address.to_owned(), port), "{text}");
        }
        let url = BrokerUrl::parse("mqtt://a%40b:p%3A%2F@broker").ok().unwrap();
        assert_eq!((url.username.as_deref(), url.password.as_deref()), (Some("a@b"), Some("p:/")));
    }

    #[test]
    fn what_is_no_url_of_a_broker_is_refused_without_its_password() {
        for text in
            ["", "broker", "http://broker", "mqtt://", "mqtt://b/x", "mqtt://b?x", "mqtt://a:hush@b:70000"]
        {
            let error = BrokerUrl::parse(text).err().unwrap();
            assert!(error.starts_with("must be mqtt://") && !error.contains("hush"), "{text}: {error}");
        }
    }
}
