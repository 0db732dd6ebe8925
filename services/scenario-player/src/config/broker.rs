//! The settings of the connection to the broker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chassis::{SettingError, parsers, unique};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tls_client::{PemFile, TlsClient};

use super::broker_url::BrokerUrl;

/// Where the broker is, and how to sign in there.
#[derive(clap::Args)]
#[command(next_help_heading = "MQTT")]
pub(super) struct BrokerSettings {
    /// mqtt://[user:password@]host[:port], mqtts:// for TLS, ws:// or wss:// for WebSockets
    #[arg(long, env = "MQTT_URL", value_parser = BrokerUrl::parse, hide_env_values = true)]
    mqtt_url: Option<BrokerUrl>,

    /// Host of the broker, without MQTT_URL; one of both is required unless TESTING_MOCK_MQTT
    #[arg(long, env = "MQTT_HOST")]
    mqtt_host: Option<String>,

    /// Port of the broker, without MQTT_URL
    #[arg(long, env = "MQTT_PORT", default_value_t = 1883)]
    mqtt_port: u16,

    /// Client id; a unique suffix is added, unless MQTT_CLIENT_ID_EXACT
    #[arg(long, env = "MQTT_CLIENT_ID", default_value = "demoClient")]
    mqtt_client_id: String,

    /// Use the client id as it is; two instances would end each other's connection
    #[arg(long, env = "MQTT_CLIENT_ID_EXACT", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    mqtt_client_id_exact: bool,

    /// A broker that does not answer counts as lost after at most twice this time, 5 s to 18 h
    #[arg(long, env = "MQTT_KEEP_ALIVE", default_value = "5s", value_parser = parse_keep_alive)]
    mqtt_keep_alive: Duration,

    /// How long an MQTT 5 broker remembers the client after a connection; without it, not at all
    #[arg(long, env = "MQTT_SESSION_EXPIRY", value_parser = parse_session_expiry)]
    mqtt_session_expiry: Option<u32>,

    /// User properties of the MQTT 5 connection and of each message: name=value,name=value
    #[arg(long, env = "MQTT_USER_PROPERTIES", value_parser = parse_user_properties)]
    mqtt_user_properties: Option<UserProperties>,

    /// User to sign in as, where MQTT_URL names none
    #[arg(long, env = "MQTT_USERNAME")]
    mqtt_username: Option<String>,

    /// Password of the user, where MQTT_URL has none
    #[arg(long, env = "MQTT_PASSWORD", hide_env_values = true)]
    mqtt_password: Option<String>,

    /// TLS with MQTT_HOST; without MQTT_BROKER_CERT_FILE, what the system trusts is trusted
    #[arg(long, env = "MQTT_TLS", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    mqtt_tls: bool,

    /// File of the CA that signed the broker's certificate, or of that certificate (PEM); with MQTT_HOST, TLS is used
    #[arg(long, env = "MQTT_BROKER_CERT_FILE", value_parser = parse_file)]
    mqtt_broker_cert_file: Option<PathBuf>,

    /// File of the client's certificate (PEM), for a broker that asks for one
    #[arg(long, env = "MQTT_TLS_CERT", value_parser = parse_file)]
    mqtt_tls_cert: Option<PathBuf>,

    /// File of the private key of MQTT_TLS_CERT (PEM)
    #[arg(long, env = "MQTT_TLS_KEY", value_parser = parse_file)]
    mqtt_tls_key: Option<PathBuf>,

    /// The name in the broker's certificate, if it is not the host's
    #[arg(long, env = "MQTT_TLS_SERVER_NAME", value_parser = parse_server_name)]
    mqtt_tls_server_name: Option<ServerName<'static>>,

    /// Accept every certificate: anybody in between can read and change everything
    #[arg(long, env = "MQTT_TLS_INSECURE", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    mqtt_tls_insecure: bool,

    /// MQTTv5 or MQTTv311
    #[arg(long, env = "MQTT_PROTOCOL_VERSION", default_value = "MQTTv5", value_enum)]
    mqtt_protocol_version: ProtocolVersion,
}

/// The version of the MQTT protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProtocolVersion {
    /// 5.0.
    #[value(name = "MQTTv5")]
    MQTTv5,
    /// 3.1.1.
    #[value(name = "MQTTv311")]
    MQTTv311,
}

/// Names and values.
type UserProperties = Arc<[(String, String)]>;

/// A broker, and how to sign in there.
pub struct BrokerConfig {
    pub(crate) url: BrokerUrl,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) is_insecure: bool,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) version: ProtocolVersion,
    pub(crate) keep_alive: Duration,
    /// In seconds.
    pub(crate) session_expiry: Option<u32>,
    pub(crate) user_properties: UserProperties,
    client_id: String,
    is_client_id_exact: bool,
}

impl BrokerConfig {
    /// The client id: as it is set, or with a suffix that no other instance and no earlier session has.
    pub(crate) fn client_id(&self) -> String {
        if self.is_client_id_exact {
            return self.client_id.clone();
        }
        format!("{}-{:x}", self.client_id, unique::instance_id())
    }
}

impl BrokerSettings {
    /// The broker, if one is named. Reads the files of TLS.
    pub(super) fn broker(&self) -> Result<Option<BrokerConfig>, SettingError> {
        let Some(url) = self.url() else { return Ok(None) };
        if !url.has_tls && self.asks_for_tls() {
            return Err(SettingError::new("MQTT_URL", "must begin with mqtts:// or wss:// for TLS"));
        }
        let is_v5 = self.mqtt_protocol_version == ProtocolVersion::MQTTv5;
        if !is_v5 && (self.mqtt_session_expiry.is_some() || self.mqtt_user_properties.is_some()) {
            let problem = "must be MQTTv5 for MQTT_SESSION_EXPIRY and MQTT_USER_PROPERTIES";
            return Err(SettingError::new("MQTT_PROTOCOL_VERSION", problem));
        }
        let tls = url.has_tls.then(|| self.tls().config()).transpose();
        let tls = tls.map_err(|error| SettingError::new(format!("{}:", error.setting), error.problem))?;
        Ok(Some(BrokerConfig {
            username: url.username.clone().or_else(|| self.mqtt_username.clone()),
            password: url.password.clone().or_else(|| self.mqtt_password.clone()),
            url,
            tls: tls.map(Arc::new),
            is_insecure: self.mqtt_tls_insecure,
            version: self.mqtt_protocol_version,
            keep_alive: self.mqtt_keep_alive,
            session_expiry: self.mqtt_session_expiry,
            user_properties: self.mqtt_user_properties.clone().unwrap_or_default(),
            client_id: self.mqtt_client_id.clone(),
            is_client_id_exact: self.mqtt_client_id_exact,
        }))
    }

    fn url(&self) -> Option<BrokerUrl> {
        let of_host = |host: &String| BrokerUrl::of_host(host, self.mqtt_port, self.asks_for_tls());
        self.mqtt_url.clone().or_else(|| self.mqtt_host.as_ref().map(of_host))
    }

    fn asks_for_tls(&self) -> bool {
        self.mqtt_tls || self.mqtt_tls_insecure || self.tls().has_files()
    }

    fn tls(&self) -> TlsClient {
        TlsClient {
            ca: PemFile { setting: "MQTT_BROKER_CERT_FILE", path: self.mqtt_broker_cert_file.clone() },
            cert: PemFile { setting: "MQTT_TLS_CERT", path: self.mqtt_tls_cert.clone() },
            key: PemFile { setting: "MQTT_TLS_KEY", path: self.mqtt_tls_key.clone() },
            server_name: self.mqtt_tls_server_name.clone(),
            is_insecure: self.mqtt_tls_insecure,
        }
    }
}

fn parse_file(path: &str) -> Result<PathBuf, String> {
    tls_client::parse_file(path).map_err(|problem| format!("must be a readable file: {problem}"))
}

fn parse_server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned()).map_err(|_| "must be a host name or an IP address".to_owned())
}

/// Whole seconds, as the protocol has them. rumqttc takes no less than 5.
fn parse_keep_alive(text: &str) -> Result<Duration, String> {
    let keep_alive = parsers::duration(text)?;
    let is_valid = (5..=64_800).contains(&keep_alive.as_secs()) && keep_alive.subsec_nanos() == 0;
    if is_valid { Ok(keep_alive) } else { Err("must be whole seconds, from 5s to 18h".to_owned()) }
}

/// In seconds.
fn parse_session_expiry(text: &str) -> Result<u32, String> {
    let expiry = parsers::duration(text)?;
    let seconds = u32::try_from(expiry.as_secs()).ok().filter(|_| expiry.subsec_nanos() == 0);
    seconds.ok_or_else(|| "must be whole seconds, at most 136 years".to_owned())
}

fn parse_user_properties(text: &str) -> Result<UserProperties, String> {
    let property = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let is_valid = |text: &str| text.len() <= 65_535 && !text.contains('\0');
        (!name.is_empty() && is_valid(name) && is_valid(value)).then(|| (name.to_owned(), value.to_owned()))
    };
    let properties: Option<UserProperties> = text.split(',').map(property).collect();
    properties.ok_or_else(|| "must be name=value,name=value".to_owned())
}
