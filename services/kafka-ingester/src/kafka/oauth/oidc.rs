//! Tokens of an OpenID provider, by the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest_tls::Client;
use serde::Deserialize;

use super::token::Token;
use crate::config::OidcClient;

#[derive(Clone)]
pub(super) struct Oidc {
    http: Client,
    client: OidcClient,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<u64>,
}

impl Oidc {
    pub(super) fn new(client: OidcClient) -> anyhow::Result<Self> {
        let http = Client::builder().build().context("create a client for KAFKA_OAUTH_TOKEN_URL")?;
        Ok(Self { http, client })
    }

    pub(super) async fn fetch(&self) -> anyhow::Result<Token> {
        let OidcClient { token_url, client_id, client_secret, scope } = &self.client;
        let scope = scope.as_deref().map(|scope| ("scope", scope));
        let form: Vec<(&str, &str)> =
            [("grant_type", "client_credentials")].into_iter().chain(scope).collect();
        let request = self.http.post(token_url).basic_auth(client_id, Some(client_secret)).form(&form);
        let response =
            request.send().await.map_err(|error| error.without_url()).context("ask for a token")?;
        let status = response.status();
        let body = response.bytes().await.context("read the token")?;
        if !status.is_success() {
            let text: String = String::from_utf8_lossy(&body).chars().take(MAX_REASON_CHARS).collect();
            bail!("{token_url} answers {status}: {text}");
        }
        // Without its text: it may hold a token.
        let Ok(answer) = serde_json::from_slice::<Answer>(&body) else {
            bail!("{token_url} answers without a token")
        };
        let lifetime = answer.expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs);
        Ok(Token { text: answer.access_token, lifetime })
    }
}

/// Of a provider that does not say it.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);
const MAX_REASON_CHARS: usize = 200;
