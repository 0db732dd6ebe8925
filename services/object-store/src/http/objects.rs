//! All objects: `GET /objects` lists them, `DELETE /objects` removes them.

use std::time::Duration;

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use chassis::parsers;
use serde::Deserialize;
use serde_json::json;

use super::error::ApiError;
use super::writes::Writes;
use crate::listing::{Filter, Position};
use crate::node::Node;

const DEFAULT_LIMIT: usize = 1_000;
const LIMIT_MAX: usize = 10_000;

/// A parameter that is not known is refused: with a typo in `prefix` a DELETE would remove everything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    prefix: Option<String>,
    max_age: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
    #[serde(default)]
    waiting: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoveParameters {
    prefix: Option<String>,
    max_age: Option<String>,
}

pub(super) async fn list(node: Data<Node>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let parameters: ListParameters = parse(&request)?;
    let filter = filter(parameters.prefix, parameters.max_age.as_deref())?;
    let limit = parameters.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::Parameter(format!("limit must be 1 to {LIMIT_MAX}")));
    }
    let from = match &parameters.after {
        None => Position::START,
        Some(after) => Position::parse(after)
            .ok_or_else(|| ApiError::Parameter("after must be what a page has as next".to_owned()))?,
    };
    Ok(HttpResponse::Ok().json(node.store.list(&filter, from, limit, parameters.waiting).await?))
}

pub(super) async fn remove(
    node: Data<Node>,
    writes: Data<Writes>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    writes.check()?;
    let parameters: RemoveParameters = parse(&request)?;
    if parameters.prefix.is_none() && parameters.max_age.is_none() {
        node.store.clear().await?;
        return Ok(HttpResponse::NoContent().finish());
    }
    let filter = filter(parameters.prefix, parameters.max_age.as_deref())?;
    Ok(HttpResponse::Ok().json(json!({ "removed": node.store.remove(&filter).await? })))
}

fn parse<T: serde::de::DeserializeOwned>(request: &HttpRequest) -> Result<T, ApiError> {
    let parsed = Query::<T>::from_query(request.query_string());
    parsed.map(Query::into_inner).map_err(|error| ApiError::Parameter(error.to_string()))
}

fn filter(prefix: Option<String>, max_age: Option<&str>) -> Result<Filter, ApiError> {
    let prefix = prefix.unwrap_or_default().to_ascii_lowercase();
    if !prefix.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(ApiError::Parameter("prefix must be hex digits".to_owned()));
    }
    let older_than: Option<Duration> = max_age
        .map(parsers::duration)
        .transpose()
        .map_err(|problem| ApiError::Parameter(format!("max_age {problem}")))?;
    Ok(Filter { prefix, older_than })
}
