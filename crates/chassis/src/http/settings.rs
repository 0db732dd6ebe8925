//! Who may use a service over HTTP.

use web_security::Hosts;

/// Settings of what is served by actix-web.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpSettings {
    /// Token that each request needs, except for the probes: as a bearer token, or as the password that a browser asks for
    #[arg(long, env = "OPERATOR_TOKEN", hide_env_values = true)]
    pub operator_token: Option<String>,

    /// Names of the service in browsers, beside addresses and names without a dot: comma-separated wildcards
    #[arg(long, env = "ALLOWED_HOSTS", default_value = "", hide_default_value = true)]
    pub allowed_hosts: Hosts,
}
