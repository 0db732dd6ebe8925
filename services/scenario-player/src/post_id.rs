//! By what a repeated post is recognized.

use std::fmt;

/// A digest of a request that posts steps. Equal requests have equal ids, on every instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PostId(String);

impl PostId {
    /// The id of the request for `action` with this body.
    pub(crate) fn of_request(action: &str, body: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(action.as_bytes()).update(b"\0").update(body);
        Self(hasher.finalize().to_hex().to_string())
    }
}

impl fmt::Display for PostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_that_of_the_same_request_only() {
        let id = PostId::of_request("scenario", b"{}");
        assert_eq!(id, PostId::of_request("scenario", b"{}"));
        assert_ne!(id, PostId::of_request("scenario", b"{ }"));
        assert_ne!(id, PostId::of_request("draft", b"{}"));
        assert_eq!(id.to_string().len(), 64);
    }
}
