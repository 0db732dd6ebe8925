//! What cannot be done, as an answer: a status and `{"detail": "…"}`.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::shop::ShopError;
use crate::timeline::Unavailable;

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    detail: String,
}

/// The body of such an answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Detail<'a> {
    /// What was wrong, and where.
    detail: &'a str,
}

impl Failure {
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, detail: detail.into() }
    }

    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail: detail.into() }
    }

    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, detail: detail.into() }
    }
}

impl From<ShopError> for Failure {
    fn from(error: ShopError) -> Self {
        let status = match error {
            ShopError::NotFound => StatusCode::NOT_FOUND,
            ShopError::Busy => StatusCode::CONFLICT,
            ShopError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, detail: error.to_string() }
    }
}

impl From<Unavailable> for Failure {
    fn from(error: Unavailable) -> Self {
        ShopError::from(error).into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status).json(Detail { detail: &self.detail })
    }
}
