//! Errors as HTTP answers: a status and `{"detail": "…"}`.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::service::ScenarioError;
use crate::unavailable::Unavailable;

/// An answer that is not a success.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    detail: String,
}

/// The body of such an answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Detail<'a> {
    /// What was wrong, and where.
    detail: &'a str,
}

impl ApiError {
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, detail: detail.into() }
    }

    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail: detail.into() }
    }

    pub(super) fn too_slow(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::REQUEST_TIMEOUT, detail: detail.into() }
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, detail: detail.into() }
    }

    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, detail: detail.into() }
    }
}

impl From<ScenarioError> for ApiError {
    fn from(error: ScenarioError) -> Self {
        let status = match error {
            ScenarioError::NotFound | ScenarioError::NoRecording | ScenarioError::NoDeadLetter => {
                StatusCode::NOT_FOUND
            }
            ScenarioError::KeyOfAnother => StatusCode::UNPROCESSABLE_ENTITY,
            ScenarioError::Conflict | ScenarioError::NameOfAnother => StatusCode::CONFLICT,
            ScenarioError::Unavailable(Unavailable::Refused(_)) => StatusCode::SERVICE_UNAVAILABLE,
            ScenarioError::Unavailable(Unavailable::BadData(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, detail: error.to_string() }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            answer.insert_header((header::RETRY_AFTER, RETRY_AFTER_S));
        }
        answer.json(Detail { detail: &self.detail })
    }
}

/// When a client should try again: what is missing may be back by then.
const RETRY_AFTER_S: u32 = 1;
