//! The store over HTTP, for people with curl.
//!
//! - `GET /info`: how much the store holds, as JSON.
//! - `PUT /objects/{id in hex}`: 201 if the object is new, 204 if it replaced one; 413 if it is too large, 507 if the store
//!   is full.
//! - `GET` and `HEAD /objects/{id}`: the object, or 404, or 500 if what Redis has in its place is damaged.
//!   `DELETE /objects/{id}`: 204, or 404.
//! - The header `x-object-metadata` has the metadata, percent-encoded.
//! - `/health`, `/ready` and `/metrics`, as in every service.

use std::sync::Arc;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use bytes::Bytes;
use chassis::probe::Probes;
use futures_util::StreamExt;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, percent_encode};
use tokio::time::timeout;

use crate::id::{BadId, ObjectId};
use crate::node::Node;
use crate::request::Refused;
use crate::store::StoreError;

const METADATA: HeaderName = HeaderName::from_static("x-object-metadata");

/// The routes of this service.
pub(crate) fn routes(node: Arc<Node>, probes: Probes) -> impl Fn(&mut ServiceConfig) + Clone {
    let probe_routes = chassis::http::probe_routes(probes);
    move |config| {
        config.app_data(Data::from(Arc::clone(&node)));
        probe_routes(config);
        config.route("/info", web::get().to(info));
        config.service(
            web::resource("/objects/{id}")
                .route(web::get().to(get))
                .route(web::head().to(head))
                .route(web::put().to(put))
                .route(web::delete().to(delete)),
        );
    }
}

async fn info(node: Data<Node>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(node.store.info().await?))
}

async fn get(node: Data<Node>, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let id = ObjectId::from_hex(&id)?;
    let (length, _) = node.store.stat(&id).await?.ok_or(ApiError::NotFound)?;
    let permit = match node.store.backend.is_remote() {
        true => Some(node.budget.acquire(usize::try_from(length).unwrap_or(usize::MAX)).await),
        // The bytes are shared with the store and take no further memory.
        false => None,
    };
    let object = node.store.get(&id).await?.ok_or(ApiError::NotFound)?;
    let length = object.data.len() as u64;
    // The permit is held until the body has been sent.
    let body = futures_util::stream::once(async move {
        let _permit = permit;
        Ok::<_, actix_web::Error>(object.data)
    });
    Ok(ok_with_metadata(&object.metadata).body(SizedStream::new(length, Box::pin(body))))
}

async fn head(node: Data<Node>, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let id = ObjectId::from_hex(&id)?;
    let (length, metadata) = node.store.stat(&id).await?.ok_or(ApiError::NotFound)?;
    Ok(ok_with_metadata(&metadata).no_chunking(length).body(actix_web::body::BodyStream::new(
        futures_util::stream::empty::<Result<Bytes, actix_web::Error>>(),
    )))
}

async fn put(
    node: Data<Node>,
    id: web::Path<String>,
    request: HttpRequest,
    mut payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let id = ObjectId::from_hex(&id)?;
    let metadata =
        request.headers().get(METADATA).map(|text| percent_decode(text.as_bytes()).collect::<Vec<u8>>());
    let metadata = Bytes::from(metadata.unwrap_or_default());
    let max_data =
        usize::try_from(node.limits.max_object).unwrap_or(usize::MAX).saturating_sub(metadata.len());
    let announced =
        request.headers().get("content-length").and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max_data) {
        return Err(ApiError::Refused(Refused::TooLarge));
    }
    // Without a content-length the object may become as long as is allowed.
    let permit = node.budget.acquire(announced.unwrap_or(max_data)).await;
    let mut data = Vec::new();
    while let Some(part) =
        timeout(node.limits.stall_timeout, payload.next()).await.map_err(|_| ApiError::UnreadableBody)?
    {
        let part = part.map_err(|_| ApiError::UnreadableBody)?;
        if part.len() > max_data - data.len() {
            return Err(ApiError::Refused(Refused::TooLarge));
        }
        data.extend_from_slice(&part);
    }
    let is_new = !node.store.exists(&id).await?;
    node.store.put(&id, data, metadata).await?;
    drop(permit);
    Ok(HttpResponse::new(if is_new { StatusCode::CREATED } else { StatusCode::NO_CONTENT }))
}

async fn delete(node: Data<Node>, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    match node.store.delete(&ObjectId::from_hex(&id)?).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(ApiError::NotFound),
    }
}

fn ok_with_metadata(metadata: &[u8]) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.content_type("application/octet-stream");
    // Percent-encoded bytes are always a valid header.
    if let Ok(text) = HeaderValue::from_str(&percent_encode(metadata, NON_ALPHANUMERIC).to_string()) {
        response.insert_header((METADATA, text));
    }
    response
}

/// Why a request over HTTP failed. The text is the body of the response.
#[derive(Debug, thiserror::Error)]
enum ApiError {
    #[error(transparent)]
    Id(#[from] BadId),
    #[error("there is no such object")]
    NotFound,
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
            Self::Id(_) | Self::UnreadableBody => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Refused(Refused::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Refused(Refused::Full) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Refused(Refused::Damaged) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
