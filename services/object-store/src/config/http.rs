//! Settings of HTTP: who may use it.

use chassis::http::HttpSettings;
use chassis::parsers;

#[derive(clap::Args)]
#[command(next_help_heading = "HTTP")]
pub(crate) struct StoreHttpSettings {
    #[command(flatten)]
    access: HttpSettings,

    /// Like OPERATOR_TOKEN, which it goes before; also what ls, get, put and rm send
    #[arg(long, env = "OBJECT_STORE_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,

    /// Whether objects may be stored and deleted over HTTP without a token
    #[arg(long, env = "OBJECT_STORE_HTTP_WRITES", default_value = "false", value_parser = parsers::boolean, action = clap::ArgAction::Set)]
    http_writes: bool,

    /// The node that ls, get, put and rm talk to
    #[arg(long, env = "OBJECT_STORE_HTTP_URL", default_value = "http://127.0.0.1:9103", global = true)]
    http_url: String,
}

impl StoreHttpSettings {
    /// Who may use HTTP.
    pub(super) fn access(&self) -> HttpSettings {
        let operator_token = self.token().map(str::to_owned);
        HttpSettings { operator_token, ..self.access.clone() }
    }

    /// Whether who may use HTTP may also store and delete. Who has a token may.
    pub(super) fn writes(&self) -> bool {
        self.http_writes || self.token().is_some()
    }

    /// The node that commands talk to, and the token for it.
    pub(super) fn remote(&self) -> (&str, Option<&str>) {
        (&self.http_url, self.token())
    }

    fn token(&self) -> Option<&str> {
        self.token.as_deref().or(self.access.operator_token.as_deref())
    }
}
