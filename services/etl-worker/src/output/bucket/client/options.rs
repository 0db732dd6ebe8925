//! How long a storage may take, and what is asked again.

use std::time::Duration;

use async_trait::async_trait;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::{BackoffConfig, ClientOptions, Result, RetryConfig};
use tokio::time::timeout;

/// What is asked again, and how often: a worker tries a failed write again anyway, and says why it failed.
pub(super) fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: 2,
        retry_timeout: Duration::from_secs(10),
        backoff: BackoffConfig { init_backoff: Duration::from_millis(100), ..BackoffConfig::default() },
    }
}

/// How long a storage may take to be connected to, and to send all of an object.
pub(super) fn options() -> ClientOptions {
    ClientOptions::new().with_timeout(WHOLE_TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT)
}

/// Connects clients that wait for a response as long as what they send may take: a merged file has 64 MB and more.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        Ok(HttpClient::new(Client(ReqwestConnector::default().connect(options)?)))
    }
}

#[derive(Debug)]
struct Client(HttpClient);

#[async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response =
            timeout(response_timeout(request.body().content_length()), self.0.execute(request)).await;
        response.unwrap_or_else(|elapsed| Err(HttpError::new(HttpErrorKind::Timeout, elapsed)))
    }
}

/// How long the response to a request with this body may take to begin.
fn response_timeout(body_bytes: usize) -> Duration {
    RESPONSE_TIMEOUT + Duration::from_secs(body_bytes as u64 / SLOWEST_BYTES_PER_SECOND)
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// A line of 1 Mbit/s.
const SLOWEST_BYTES_PER_SECOND: u64 = 125_000;
const WHOLE_TIMEOUT: Duration = Duration::from_secs(1800);

#[cfg(test)]
mod tests {
    use object_store::aws::AmazonS3Builder;
    use object_store::path::Path;
    use object_store::{ObjectStoreExt, PutPayload};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Puts an object to a storage that begins to read it after a while. Returns whether it was put.
    async fn put_slowly(body_bytes: usize, delay: Duration) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::time::sleep(delay).await;
            let mut left = body_bytes;
            while left > 0 {
                left = left.saturating_sub(client.read(&mut [0; 65536]).await.unwrap());
            }
            client.write_all(b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        });
        let storage = AmazonS3Builder::new()
            .with_endpoint(endpoint)
            .with_bucket_name("games")
            .with_access_key_id("k")
            .with_secret_access_key("s")
            .with_retry(RetryConfig { max_retries: 0, ..retry() })
            .with_http_connector(Connector)
            .with_client_options(options().with_allow_http(true))
            .build()
            .unwrap();
        storage.put(&Path::from("merged"), PutPayload::from(vec![0; body_bytes])).await.is_ok()
    }

    #[tokio::test]
    async fn a_large_object_may_take_as_long_as_a_slow_line_needs_and_a_small_one_ten_seconds() {
        let delay = RESPONSE_TIMEOUT + Duration::from_secs(1);
        assert_eq!(tokio::join!(put_slowly(1 << 20, delay), put_slowly(1, delay)), (true, false));
        assert_eq!(response_timeout(64 << 20), RESPONSE_TIMEOUT + Duration::from_secs(536));
    }
}
