//! What a service implements.

use crate::reply::Reply;
use crate::request::Request;

/// The service behind the server.
pub trait Handler: Send + Sync + 'static {
    /// Decides how a request is answered. Called for every GET and HEAD from an allowed origin. It may take its time:
    /// no other request waits for it.
    fn handle(&self, request: Request) -> impl Future<Output = Reply> + Send;
}
