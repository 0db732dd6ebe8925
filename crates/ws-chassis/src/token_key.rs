//! The setting `TOKEN_KEY`: what it may look like.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};
use ws_server::token::TokenKeys;

use crate::token_verifier::TokenVerifier;

/// How often a file is looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// The key that verifies access tokens, and the file that it came from, if it is one.
#[derive(Clone, Debug)]
pub(crate) struct TokenKey {
    pub(crate) keys: TokenKeys,
    pub(crate) file: Option<KeyFile>,
}

/// A file with keys.
#[derive(Clone, Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    is_secret: bool,
}

impl TokenKey {
    /// `secret:TEXT`, `secret:file:PATH`, `file:PATH` of a public key in PEM or a JWKS, or one of these itself.
    ///
    /// # Errors
    /// Says what it must be, without the key.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let file = |path: &str, is_secret| Some(KeyFile { path: Path::new(path).to_owned(), is_secret });
        let (secret, file) = match text.strip_prefix("secret:") {
            Some(secret) => (Some(secret), secret.strip_prefix("file:").and_then(|path| file(path, true))),
            None => (None, text.strip_prefix("file:").and_then(|path| file(path, false))),
        };
        let keys = match (&file, secret) {
            (Some(file), _) => file.read()?,
            (None, Some(secret)) => {
                TokenKeys::secret(secret.as_bytes()).map_err(|problem| problem.to_string())?
            }
            (None, None) => TokenKeys::public(text.as_bytes()).map_err(|problem| problem.to_string())?,
        };
        Ok(Self { keys, file })
    }
}

impl KeyFile {
    /// The keys that the file holds now. A line end after a secret is not part of it.
    fn read(&self) -> Result<TokenKeys, String> {
        let content = fs::read(&self.path)
            .map_err(|problem| format!("must name a file that can be read: {problem}"))?;
        self.parse(&content)
    }

    fn parse(&self, content: &[u8]) -> Result<TokenKeys, String> {
        let keys = match self.is_secret {
            true => TokenKeys::secret(without_line_end(content)),
            false => TokenKeys::public(content),
        };
        keys.map_err(|problem| problem.to_string())
    }
}

/// Uses the keys of the file whenever its content is another one. What cannot be used changes nothing.
pub(crate) async fn follow(file: KeyFile, verifier: Arc<TokenVerifier>) {
    let mut last = tokio::fs::read(&file.path).await.ok();
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let content = match tokio::fs::read(&file.path).await {
            // It may be missing for a moment while another one takes its place.
            Err(_) => continue,
            Ok(content) if last.as_ref() == Some(&content) => continue,
            Ok(content) => content,
        };
        match file.parse(&content) {
            Ok(keys) => {
                info!("the token key was read again from {}", file.path.display());
                verifier.replace(keys);
            }
            Err(problem) => {
                warn!(
                    "the token key in {} cannot be used, so nothing changes: it {problem}",
                    file.path.display()
                );
            }
        }
        last = Some(content);
    }
}

fn without_line_end(content: &[u8]) -> &[u8] {
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    content.strip_suffix(b"\r").unwrap_or(content)
}
