use chassis::http::{has_token, is_token};
use ws_server::Request;

/// The token of the operator, who may watch and list all runs.
pub(crate) struct OperatorToken(String);

impl OperatorToken {
    pub(crate) fn new(token: String) -> Self {
        Self(token)
    }

    /// Whether the request has it: in any of the ways of an access token, or as a password.
    pub(crate) fn is_in(&self, request: &Request) -> bool {
        has_token(request.header("authorization"), &self.0)
            || request.token(None).is_some_and(|given| is_token(&given, &self.0))
    }
}
