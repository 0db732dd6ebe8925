//! Settings of HTTP: who may use it.

use chassis::parsers;

#[derive(clap::Args)]
#[command(next_help_heading = "HTTP")]
pub(crate) struct HttpSettings {
    /// Token that requests for objects and for /info need over HTTP: Authorization: Bearer TOKEN
    #[arg(long, env = "OBJECT_STORE_TOKEN", hide_env_values = true, global = true)]
    pub(super) token: Option<String>,

    /// Whether objects may be stored and deleted over HTTP without a token
    #[arg(long, env = "OBJECT_STORE_HTTP_WRITES", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    pub(super) http_writes: bool,

    /// The node that ls, get, put and rm talk to
    #[arg(long, env = "OBJECT_STORE_HTTP_URL", default_value = "http://127.0.0.1:9103", global = true)]
    pub(super) http_url: String,
}
