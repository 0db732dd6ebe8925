//! Why a request over HTTP failed.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

use crate::id::BadId;
use crate::request::Refused;
use crate::store::StoreError;

/// Why a request over HTTP failed. The text is the body of the response.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error(transparent)]
    Id(#[from] BadId),
    /// What is wrong with a parameter.
    #[error("{0}")]
    Parameter(String),
    #[error("there is no such object")]
    NotFound,
    #[error("storing and deleting over HTTP is off: set OPERATOR_TOKEN, or OBJECT_STORE_HTTP_WRITES=true")]
    WritesAreOff,
    #[error("the body could not be read")]
    UnreadableBody,
    #[error(transparent)]
    Refused(Refused),
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refused) => Self::Refused(refused),
            error => Self::Store(error),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Id(_) | Self::Parameter(_) | Self::UnreadableBody => StatusCode::BAD_REQUEST,
            Self::WritesAreOff => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Refused(Refused::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Refused(Refused::Full | Refused::SpillFailed | Refused::RedisFull) => {
                StatusCode::INSUFFICIENT_STORAGE
            }
            Self::Refused(Refused::Damaged | Refused::Lost | Refused::SetRefused) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code())
            .content_type("text/plain; charset=utf-8")
            .body(self.to_string())
    }
}
