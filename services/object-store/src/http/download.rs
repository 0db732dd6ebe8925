//! The body of a response to a GET: parts of the shared content, as the client takes them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream;
use parking_lot::Mutex;

use crate::pace::Pace;
use crate::shared_reads::ReadClaim;

/// Bytes that are given to the HTTP server at a time. It copies them.
const PART: usize = 64 << 10;

/// What is still to be sent. `None` once the client was too slow.
struct Download {
    rest: Option<Bytes>,
    claim: Option<ReadClaim>,
    pace: Pace,
}

/// The content as a stream. If the client does not take it fast enough, it and its claim are given up.
pub(super) fn body(
    data: Bytes,
    claim: Option<ReadClaim>,
    stall_timeout: Duration,
) -> impl Stream<Item = Result<Bytes, actix_web::Error>> + Unpin {
    let pace = Pace::new(stall_timeout, data.len());
    let is_long = data.len() > PART;
    let download = Arc::new(Mutex::new(Download { rest: Some(data), claim, pace }));
    if is_long {
        tokio::spawn(watch(Arc::downgrade(&download)));
    }
    stream::iter(std::iter::from_fn(move || download.lock().next()))
}

impl Download {
    fn next(&mut self) -> Option<Result<Bytes, actix_web::Error>> {
        let Some(rest) = &mut self.rest else {
            return Some(Err(actix_web::error::ErrorRequestTimeout("the client took too little")));
        };
        let part = rest.split_to(rest.len().min(PART));
        self.pace.add(part.len());
        (!part.is_empty()).then_some(Ok(part))
    }
}

/// Gives up a download whose client takes too little.
async fn watch(download: Weak<Mutex<Download>>) {
    while let Some(download) = download.upgrade() {
        let interval = {
            let mut download = download.lock();
            let contended_for = download.claim.as_ref().and_then(ReadClaim::contended_for);
            if download.pace.is_too_slow(contended_for) {
                (download.rest, download.claim) = (None, None);
                return;
            }
            download.pace.interval()
        };
        drop(download);
        tokio::time::sleep(interval).await;
    }
}
