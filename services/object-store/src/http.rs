//! The store over HTTP, for people with curl.
//!
//! - `GET /`: a page that shows what is stored and who waits.
//! - `GET /info`: how much the store holds, as JSON.
//! - `PUT /objects/{id in hex}`: 201 if the object is new, 204 if it replaced one; 413 if it is too large, 507 if the store
//!   is full.
//! - `GET` and `HEAD /objects/{id}`: the object, or 404, or 500 if what Redis has in its place is damaged.
//!   `DELETE /objects/{id}`: 204, or 404.
//! - `GET /objects`: what there is and what is waited for, as JSON. `DELETE /objects`: 204, every object is removed; or 200 and
//!   how many, with parameters that say which. 400 for a parameter that cannot be used.
//! - 401 without the token, if there is one; 403 for a write if that is off.
//! - The header `x-object-metadata` has the metadata; what a header cannot have is percent-encoded.
//! - `/health`, `/ready` and `/metrics`, as in every service.

mod body;
mod download;
mod error;
mod objects;
mod writes;

use std::sync::Arc;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use bytes::Bytes;
use chassis::http::{JAVASCRIPT, StaticFile, keep_until_sent};
use chassis::probe::Probes;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};

use crate::id::ObjectId;
use crate::node::Node;
use crate::request::Refused;
use error::ApiError;
pub(crate) use writes::Writes;

const FILES: [StaticFile; 2] = [
    StaticFile::new("/page.js", JAVASCRIPT, include_str!("../web/page.js")),
    StaticFile::new("/objects.js", JAVASCRIPT, include_str!("../web/objects.js")),
];
const METADATA: HeaderName = HeaderName::from_static("x-object-metadata");
/// What of the metadata is encoded: what a header cannot have, and what decoding would change.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// The routes of this service.
pub(crate) fn routes(node: Arc<Node>, writes: Writes, probes: Probes) -> impl Fn(&mut ServiceConfig) + Clone {
    let probe_routes = chassis::http::probe_routes(probes);
    move |config| {
        config.app_data(Data::from(Arc::clone(&node)));
        config.app_data(Data::new(writes));
        config.route("/", chassis::http::page(include_str!("../web/index.html")));
        chassis::http::static_files(&FILES, config);
        chassis::http::console_files(config);
        probe_routes(config);
        config.route("/info", web::get().to(info));
        config.service(
            web::resource("/objects")
                .route(web::get().to(objects::list))
                .route(web::delete().to(objects::remove)),
        );
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
    let found = node.store.get_within(&id, Some(&node.reads)).await?;
    let (object, claim) = found.ok_or(ApiError::NotFound)?;
    let length = object.data.len() as u64;
    let body = download::body(object.data, claim, node.limits.stall_timeout);
    Ok(ok_with_metadata(&object.metadata).body(SizedStream::new(length, body)))
}

async fn head(node: Data<Node>, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let id = ObjectId::from_hex(&id)?;
    let stat = node.store.stat(&id).await?.ok_or(ApiError::NotFound)?;
    Ok(ok_with_metadata(&stat.metadata).no_chunking(stat.length).body(actix_web::body::BodyStream::new(
        futures_util::stream::empty::<Result<Bytes, actix_web::Error>>(),
    )))
}

async fn put(
    node: Data<Node>,
    writes: Data<Writes>,
    id: web::Path<String>,
    request: HttpRequest,
    mut payload: Payload,
) -> HttpResponse {
    let stored = match writes.check() {
        Ok(()) => store_body(&node, &id, &request, &mut payload).await,
        Err(error) => Err(error),
    };
    match stored {
        Ok(status) => HttpResponse::new(status),
        Err(error) => {
            keep_until_sent(payload);
            error.error_response()
        }
    }
}

async fn store_body(
    node: &Node,
    id: &str,
    request: &HttpRequest,
    payload: &mut Payload,
) -> Result<StatusCode, ApiError> {
    let id = ObjectId::from_hex(id)?;
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
    let (data, claim) = body::receive(node, payload, announced, max_data).await?;
    let is_new = !node.store.exists(&id).await?;
    node.store.put(&id, data, metadata).await?;
    drop(claim);
    Ok(if is_new { StatusCode::CREATED } else { StatusCode::NO_CONTENT })
}

async fn delete(
    node: Data<Node>,
    writes: Data<Writes>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    writes.check()?;
    match node.store.delete(&ObjectId::from_hex(&id)?).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(ApiError::NotFound),
    }
}

fn ok_with_metadata(metadata: &[u8]) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.content_type("application/octet-stream");
    // Percent-encoded bytes are always a valid header.
    if let Ok(text) = HeaderValue::from_str(&percent_encode(metadata, ENCODED).to_string()) {
        response.insert_header((METADATA, text));
    }
    response
}
