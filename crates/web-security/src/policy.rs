//! What a page of the service may do, said by its headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Headers of every response. No browser guesses another content type, and no other site learns the address.
pub const HEADERS: [(&str, &str); 2] =
    [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")];

/// The value of `Content-Security-Policy` for a page. It runs scripts from its own service and those that are written in it,
/// each known by its hash; it asks its own service only; and no other site may put it in a frame.
///
/// A response that is no page may have it too: the policy of the empty text.
pub fn content_security_policy(html: &str) -> String {
    let hashes: String = inline_scripts(html)
        .map(|script| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script))))
        .collect();
    format!(
        "default-src 'none'; script-src 'self'{hashes}; style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; \
         img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
}

/// The texts of the scripts that are written in the page, not loaded from elsewhere.
fn inline_scripts(html: &str) -> impl Iterator<Item = &str> {
    html.split("<script").skip(1).filter_map(|rest| {
        let (attributes, rest) = rest.split_once('>')?;
        let (script, _) = rest.split_once("</script>")?;
        (!attributes.contains("src=")).then_some(script)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_run_the_scripts_that_are_written_in_it() {
        let policy = content_security_policy(
            "<script type=\"module\">alert(1)</script><p><script src=\"a.js\"></script>",
        );
        // echo -n 'alert(1)' | openssl dgst -sha256 -binary | base64
        let expected = "script-src 'self' 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=';";
        assert!(policy.contains(expected), "{policy}");
        assert!(content_security_policy("").contains("script-src 'self';"));
    }
}
