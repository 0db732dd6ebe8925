//! Why a client may not watch a run, and how it is told.

use crate::reply::Reply;
use crate::response::Response;

/// Why a client may not watch a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessDenied {
    /// The token is missing or not valid, for this reason. The response is a 401.
    Unauthorized(&'static str),
    /// No key that is known has signed the token. The response is a 401 too.
    UnknownKey,
    /// The token is valid, but for other runs. The response is a 403.
    Forbidden,
    /// A list of runs is for the service's own pages, those of `ALLOWED_ORIGINS`, and programs. The response is a 403.
    OtherSite,
    /// The keys are not known yet, so that nobody can say. The response is a 503.
    NoKeys,
}

impl AccessDenied {
    /// The code with which a WebSocket is closed for this reason.
    pub fn close_code(self) -> u16 {
        match self {
            Self::Unauthorized(_) | Self::UnknownKey => 4401,
            Self::Forbidden | Self::OtherSite => 4403,
            Self::NoKeys => 4503,
        }
    }

    /// Says to the client why it was refused.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unauthorized(reason) => reason,
            Self::UnknownKey => "the token is not signed with a known key",
            Self::Forbidden => "the token is for other runs",
            Self::OtherSite => {
                "a page of another site may not list runs, nor one under a name that ALLOWED_HOSTS does not have"
            }
            Self::NoKeys => "the keys of tokens cannot be fetched now",
        }
    }
}

impl From<AccessDenied> for Response {
    fn from(denied: AccessDenied) -> Self {
        match denied {
            AccessDenied::Unauthorized(_) | AccessDenied::UnknownKey => {
                Self::text(401, denied.reason()).header("WWW-Authenticate", "Bearer")
            }
            AccessDenied::Forbidden | AccessDenied::OtherSite => Self::text(403, denied.reason()),
            AccessDenied::NoKeys => Self::text(503, denied.reason()).header("Retry-After", "5"),
        }
    }
}

impl From<AccessDenied> for Reply {
    fn from(denied: AccessDenied) -> Self {
        Response::from(denied).into()
    }
}
