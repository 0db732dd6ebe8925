//! The settings of SASL OAUTHBEARER: where tokens come from.

use chassis::settings::SettingError;

/// Where the tokens of SASL OAUTHBEARER come from.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub(super) struct OAuthConfig {
    /// Token endpoint of an OpenID provider, for SASL OAUTHBEARER with client credentials
    #[arg(long, env = "KAFKA_OAUTH_TOKEN_URL")]
    kafka_oauth_token_url: Option<String>,

    /// Client id for that endpoint
    #[arg(long, env = "KAFKA_OAUTH_CLIENT_ID")]
    kafka_oauth_client_id: Option<String>,

    /// Client secret for that endpoint
    #[arg(long, env = "KAFKA_OAUTH_CLIENT_SECRET", hide_env_values = true)]
    kafka_oauth_client_secret: Option<String>,

    /// Scope that is asked for, if any
    #[arg(long, env = "KAFKA_OAUTH_SCOPE")]
    kafka_oauth_scope: Option<String>,

    /// AWS region of an MSK cluster, for its IAM authentication
    #[arg(long, env = "KAFKA_MSK_IAM_REGION")]
    kafka_msk_iam_region: Option<String>,
}

/// Where tokens come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OAuthMethod {
    /// An OpenID provider's token endpoint, with client credentials.
    Oidc(OidcClient),
    /// They are signed with AWS credentials, for MSK in this region.
    MskIam(String),
}

/// A client of an OpenID provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OidcClient {
    pub(crate) token_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) scope: Option<String>,
}

impl OAuthConfig {
    /// Where tokens come from, if they are used.
    pub(super) fn method(&self) -> Result<Option<OAuthMethod>, SettingError> {
        match (&self.kafka_oauth_token_url, &self.kafka_msk_iam_region) {
            (None, None) => Ok(None),
            (None, Some(region)) => Ok(Some(OAuthMethod::MskIam(region.clone()))),
            (Some(_), Some(_)) => {
                Err(SettingError::new("KAFKA_MSK_IAM_REGION", "must not be set beside KAFKA_OAUTH_TOKEN_URL"))
            }
            (Some(token_url), None) => {
                let required = |variable, value: &Option<String>| {
                    value.clone().ok_or_else(|| SettingError::new(variable, "must be set"))
                };
                Ok(Some(OAuthMethod::Oidc(OidcClient {
                    token_url: token_url.clone(),
                    client_id: required("KAFKA_OAUTH_CLIENT_ID", &self.kafka_oauth_client_id)?,
                    client_secret: required("KAFKA_OAUTH_CLIENT_SECRET", &self.kafka_oauth_client_secret)?,
                    scope: self.kafka_oauth_scope.clone(),
                })))
            }
        }
    }
}
