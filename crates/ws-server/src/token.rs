//! Access tokens: JSON Web Tokens (JWT) whose claim `runs` says which runs a client may watch.

mod denied;
mod der;
mod grant;
mod jwk;
mod key;
mod key_text;
mod keys;
mod look_alike;
mod pem;
mod public_key;

pub use denied::AccessDenied;
pub use grant::Grant;
pub use key_text::KeyError;
pub use keys::TokenKeys;

#[cfg(test)]
mod tests;
