//! Reading a request: its body within the limit, its JSON with the place of what is wrong.

use std::time::Duration;

use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::failure::Failure;

/// The whole body, if it is no larger than `limit_bytes`.
///
/// A body that is too large is read past, up to a bound, since most clients send all of it before they look for an answer.
pub(super) async fn read(mut payload: Payload, limit_bytes: usize) -> Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    let mut past_bytes = 0;
    let reading = async {
        while let Some(chunk) = payload.next().await {
            let chunk =
                chunk.map_err(|error| Failure::bad_request(format!("the body cannot be read: {error}")))?;
            if past_bytes == 0 && body.len() + chunk.len() <= limit_bytes {
                body.extend_from_slice(&chunk);
            } else {
                past_bytes += chunk.len();
                body = BytesMut::new();
                if past_bytes > READ_PAST_BYTES {
                    break;
                }
            }
        }
        Ok::<(), Failure>(())
    };
    match tokio::time::timeout(READ_TIMEOUT, reading).await {
        Ok(read) => read?,
        Err(_) => return Err(Failure::bad_request("the body did not come within 60 s")),
    }
    if past_bytes > 0 {
        return Err(Failure::too_large(format!("the body is larger than {limit_bytes} bytes")));
    }
    Ok(body.freeze())
}

/// The body as JSON of a known shape. What is wrong is told with its place.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Failure::unprocessable(placed::<T>(body, &error)),
        _ => Failure::bad_request(format!("the body is not JSON: {error}")),
    })
}

/// Only a body that is wrong is read a second time, slower, to learn where.
fn placed<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> String {
    let mut json = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Err(placed) if placed.path().iter().next().is_none() => format!("body: {}", placed.inner()),
        Err(placed) => format!("{}: {}", placed.path(), placed.inner()),
        Ok(_) => error.to_string(),
    }
}

const READ_TIMEOUT: Duration = Duration::from_secs(60);
const READ_PAST_BYTES: usize = 512 << 20;
