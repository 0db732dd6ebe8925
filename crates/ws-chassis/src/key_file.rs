//! Keys in a file, which is read again when it changes.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tracing::{info, warn};
use ws_server::token::TokenKeys;

use crate::token_verifier::TokenVerifier;

/// How often a file is looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// A file with keys, as it was read last.
#[derive(Clone)]
pub(crate) struct KeyFile {
    path: PathBuf,
    is_secret: bool,
    content: Vec<u8>,
}

impl KeyFile {
    /// The file, and the keys in it. A line end after a secret is not part of it.
    ///
    /// # Errors
    /// Says what it must be, without the key.
    pub(crate) fn read(path: &str, is_secret: bool) -> Result<(Self, TokenKeys), String> {
        let content =
            fs::read(path).map_err(|problem| format!("must name a file that can be read: {problem}"))?;
        let file = Self { path: path.into(), is_secret, content };
        let keys = file.keys()?;
        Ok((file, keys))
    }

    fn keys(&self) -> Result<TokenKeys, String> {
        let keys = match self.is_secret {
            true => TokenKeys::secret(without_line_end(&self.content)),
            false => TokenKeys::public(&self.content),
        };
        keys.map_err(|problem| problem.to_string())
    }

    /// Uses the keys of the file whenever its content is another one. What cannot be used changes nothing.
    pub(crate) async fn follow(mut self, verifier: &TokenVerifier) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            match tokio::fs::read(&self.path).await {
                Ok(content) if content != self.content => self.content = content,
                // It may be missing for a moment while another one takes its place.
                _ => continue,
            }
            match self.keys() {
                Ok(keys) => {
                    info!("the token key was read again from {}", self.path.display());
                    verifier.replace(keys);
                }
                Err(problem) => {
                    warn!(
                        "the token key in {} cannot be used, so nothing changes: it {problem}",
                        self.path.display()
                    );
                }
            }
        }
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile({})", self.path.display())
    }
}

fn without_line_end(content: &[u8]) -> &[u8] {
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    content.strip_suffix(b"\r").unwrap_or(content)
}
