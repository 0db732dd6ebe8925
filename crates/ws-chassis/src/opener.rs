use ws_server::token::AccessDenied;
use ws_server::{Reply, Request};

use crate::access::Access;

/// A service behind [`HttpFront`](crate::HttpFront): what it does with a request that is for neither the page nor a probe.
pub trait Opener: Send + Sync + 'static {
    /// Opens the client, or answers the request. It asks `access` for each run that the client wants to watch.
    ///
    /// # Errors
    /// The client may not watch it. [`HttpFront`](crate::HttpFront) tells it in the way that it can read.
    fn open(
        &self,
        request: Request,
        access: Access,
    ) -> impl Future<Output = Result<Reply, AccessDenied>> + Send;
}
