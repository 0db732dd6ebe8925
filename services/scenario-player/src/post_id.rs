//! By what a repeated post is recognized.

/// The identity of a request that posts steps. Equal requests have equal ids, on every instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PostId {
    name: String,
    request: String,
    is_keyed: bool,
}

impl PostId {
    /// The id of the request for `action` with this body, and with the key that the client gave it.
    pub(crate) fn of_request(action: &str, body: &[u8], key: Option<&[u8]>) -> Self {
        let request = digest(action.as_bytes(), body);
        let name = key.map_or_else(|| request.clone(), |key| digest(b"key", key));
        Self { name, request, is_keyed: key.is_some() }
    }

    /// What names the post among those of its customer.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A digest of the request.
    pub(crate) fn request(&self) -> &str {
        &self.request
    }

    /// Whether the client has given it a key. Then it is recognized after its end too.
    pub(crate) fn is_keyed(&self) -> bool {
        self.is_keyed
    }
}

fn digest(kind: &[u8], content: &[u8]) -> String {
    blake3::Hasher::new().update(kind).update(b"\0").update(content).finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_that_of_the_same_request_only() {
        let id = PostId::of_request("scenario", b"{}", None);
        assert_eq!(id, PostId::of_request("scenario", b"{}", None));
        assert_ne!(id, PostId::of_request("scenario", b"{ }", None));
        assert_ne!(id, PostId::of_request("draft", b"{}", None));
    }

    #[test]
    fn a_key_names_a_post_whatever_the_request_is() {
        let [one, other] = [b"{}", b"[]"].map(|body| PostId::of_request("scenario", body, Some(b"k")));
        assert_eq!(one.name(), other.name());
        assert_ne!(one.request(), other.request());
        assert_ne!(one.name(), PostId::of_request("scenario", b"{}", Some(b"l")).name());
    }
}
