//! The setting `TOKEN_KEY`: what it may look like.

use ws_server::token::TokenKeys;

use crate::key_file::KeyFile;
use crate::key_url::KeyUrl;

/// The key that verifies access tokens, and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct TokenKey {
    /// None yet, if they have to be fetched.
    pub(crate) keys: TokenKeys,
    pub(crate) source: KeySource,
}

/// Where keys come from.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    /// The setting itself.
    Setting,
    File(KeyFile),
    Url(KeyUrl),
}

impl TokenKey {
    /// `secret:TEXT`, `secret:file:PATH`; `file:PATH` or the URL of a public key in PEM or a JWKS, or one of these itself.
    ///
    /// # Errors
    /// Says what it must be, without the key.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(url) = KeyUrl::parse(text)? {
            return Ok(Self { keys: TokenKeys::default(), source: KeySource::Url(url) });
        }
        let (is_secret, rest) = match text.strip_prefix("secret:") {
            Some(secret) => (true, secret),
            None => (false, text),
        };
        if let Some(path) = rest.strip_prefix("file:") {
            let (file, keys) = KeyFile::read(path, is_secret)?;
            return Ok(Self { keys, source: KeySource::File(file) });
        }
        let keys = match is_secret {
            true => TokenKeys::secret(rest.as_bytes()),
            false => TokenKeys::public(rest.as_bytes()),
        };
        Ok(Self { keys: keys.map_err(|problem| problem.to_string())?, source: KeySource::Setting })
    }
}
