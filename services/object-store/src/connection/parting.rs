//! The end of a connection when the node stops: no answer may be unread when a released client finds the connection reset, or
//! it takes that for a FIN (libuv tells it so), and never comes back.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{Connection, End, READ_MIN, news, read};
use crate::stream::Stream;
use crate::ymq::GOODBYE;

/// Time for a client to ask once more, or to be silent, and then to hear the goodbye and end the connection.
const LEAVE: Duration = Duration::from_millis(500);
/// A client that was told nothing for so long has read everything, unless it is held up.
const QUIET: Duration = Duration::from_millis(100);

/// Resolves when the process is stopping, and not before `rest` is over.
pub(super) async fn stops(stopping: &CancellationToken, rest: Option<Instant>) {
    stopping.cancelled().await;
    if let Some(until) = rest {
        sleep_until(until).await;
    }
}

impl Connection {
    /// Until when the client is served though the process is stopping, should it not leave before.
    pub(super) fn rest(&mut self) -> Option<Instant> {
        if !self.stopping.is_cancelled() {
            return None;
        }
        let latest = *self.latest.get_or_insert_with(|| Instant::now() + LEAVE);
        // With TLS a released client does not survive a goodbye: it is reset when it is silent.
        Some(if self.is_tls() { latest.min(self.said + QUIET) } else { latest })
    }

    /// True if the process is stopping and the goodbye can go with an answer: whoever asks one thing at a time has asked nothing
    /// else then, and nothing that it asks is lost.
    pub(super) fn may_part(&self) -> bool {
        self.out.len() > 0
            && self.next.is_none()
            && self.stopping.is_cancelled()
            && !self.is_tls()
            && !self.decoder.owes_more(&self.input)
    }

    fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// Says goodbye. What the client has sent before it hears that is executed too, though not answered: it will not ask again.
    pub(super) async fn part(&mut self) -> End {
        if self.client.is_none() || self.is_tls() {
            return End::Stopped;
        }
        self.out.raw(&GOODBYE);
        if let Err(end) = self.flush().await {
            return end;
        }
        (self.stopped, self.parted) = (false, true);
        // Who does not end the connection by then is reset.
        let _ = timeout(LEAVE, self.listen_on()).await;
        while self.open() > 0 {
            news(self.client.as_ref()).await;
        }
        End::Stopped
    }

    /// Executes what comes, until the connection ends.
    async fn listen_on(&mut self) -> Result<(), End> {
        loop {
            let more = self.read_requests().await?;
            self.say_answers().await?;
            let held = self.is_held();
            if more && !held {
                continue;
            }
            self.input.reserve(READ_MIN);
            tokio::select! {
                read = read(&mut self.stream, &mut self.input), if !held => read.map(drop)?,
                () = news(self.client.as_ref()) => {}
            }
        }
    }
}
