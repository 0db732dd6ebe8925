//! The store over HTTP, for people with curl.
//!
//! - `GET /info`: what the store holds, as JSON.
//! - `PUT /objects/{id in hex}`: 201 if it is new, 204 if it replaced one; 413 if it is too large, 507 if the store is full.
//! - `GET` and `HEAD /objects/{id}`: the object, or 404. `DELETE /objects/{id}`: 204, or 404.
//! - The header `x-object-metadata` holds the metadata, percent-encoded.
//! - Beside them `/health`, `/ready` and `/metrics`.

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

async fn info(node: Data<Node>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(node.store.info().await?))
}

async fn get(node: Data<Node>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let id = ObjectId::from_hex(&id)?;
    let (length, _) = node.store.stat(&id).await?.ok_or(Problem::Absent)?;
    let claim = match node.store.is_remote() {
        true => Some(node.budget.claim(usize::try_from(length).unwrap_or(usize::MAX)).await),
        // The bytes are the store's own.
        false => None,
    };
    let object = node.store.get(&id).await?.ok_or(Problem::Absent)?;
    let length = object.data.len() as u64;
    // The claim is held until the body has been taken.
    let body = futures_util::stream::once(async move {
        let _claim = claim;
        Ok::<_, actix_web::Error>(object.data)
    });
    Ok(found(&object.metadata).body(SizedStream::new(length, Box::pin(body))))
}

async fn head(node: Data<Node>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let id = ObjectId::from_hex(&id)?;
    let (length, metadata) = node.store.stat(&id).await?.ok_or(Problem::Absent)?;
    Ok(found(&metadata).no_chunking(length).body(actix_web::body::BodyStream::new(
        futures_util::stream::empty::<Result<Bytes, actix_web::Error>>(),
    )))
}

async fn put(
    node: Data<Node>,
    id: web::Path<String>,
    request: HttpRequest,
    mut payload: Payload,
) -> Result<HttpResponse, Problem> {
    let id = ObjectId::from_hex(&id)?;
    let metadata =
        request.headers().get(METADATA).map(|text| percent_decode(text.as_bytes()).collect::<Vec<u8>>());
    let metadata = Bytes::from(metadata.unwrap_or_default());
    let most = usize::try_from(node.limits.max_object).unwrap_or(usize::MAX).saturating_sub(metadata.len());
    let announced =
        request.headers().get("content-length").and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(Problem::Refused(Refused::TooLarge));
    }
    // Without an announced length it may become as long as an object can be.
    let claim = node.budget.claim(announced.unwrap_or(most)).await;
    let mut data = Vec::new();
    while let Some(part) = timeout(node.limits.stall, payload.next()).await.map_err(|_| Problem::Unread)? {
        let part = part.map_err(|_| Problem::Unread)?;
        if part.len() > most - data.len() {
            return Err(Problem::Refused(Refused::TooLarge));
        }
        data.extend_from_slice(&part);
    }
    let is_new = !node.store.exists(&id).await?;
    node.store.put(&id, data, metadata).await?;
    drop(claim);
    Ok(HttpResponse::new(if is_new { StatusCode::CREATED } else { StatusCode::NO_CONTENT }))
}

async fn delete(node: Data<Node>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    match node.store.delete(&ObjectId::from_hex(&id)?).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(Problem::Absent),
    }
}

fn found(metadata: &[u8]) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.content_type("application/octet-stream");
    // Percent-encoded bytes are always a valid header.
    if let Ok(text) = HeaderValue::from_str(&percent_encode(metadata, NON_ALPHANUMERIC).to_string()) {
        response.insert_header((METADATA, text));
    }
    response
}

/// Why a request over HTTP came to nothing; the text is the body of the answer.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Id(#[from] BadId),
    #[error("there is no such object")]
    Absent,
    #[error("the body could not be read")]
    Unread,
    #[error(transparent)]
    Refused(Refused),
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refused) => Self::Refused(refused),
            error => Self::Store(error),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Id(_) | Self::Unread => StatusCode::BAD_REQUEST,
            Self::Absent => StatusCode::NOT_FOUND,
            Self::Refused(Refused::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Refused(Refused::Full) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
