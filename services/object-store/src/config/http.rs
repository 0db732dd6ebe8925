//! Settings of HTTP: who may use it.

use chassis::parsers;

#[derive(clap::Args)]
#[command(next_help_heading = "HTTP")]
pub(crate) struct HttpSettings {
    /// Token that requests for objects and for /info need over HTTP: Authorization: Bearer TOKEN
    #[arg(long, env = "OBJECT_STORE_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,

    /// Whether objects may be stored and deleted over HTTP without a token
    #[arg(long, env = "OBJECT_STORE_HTTP_WRITES", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    pub(super) http_writes: bool,
}
