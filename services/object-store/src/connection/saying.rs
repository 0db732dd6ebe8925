//! What the client is told: answers are written down in their order, gathered, and written to the socket.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::patience::PROGRESS;
use super::{Connection, End};
use crate::header::RequestHeader;
use crate::request::{Answer, Asker, Remote, Request};
use crate::session::{Outgoing, outgoing};
use crate::stream::Stream;

/// Bytes of answers that are gathered before they are written: no more, so that a client reads the first while others are made.
pub(super) const OUT_HIGH: usize = 64 << 10;
/// Time for those who waited to be told, before the client that they waited for is.
const HEAR: Duration = Duration::from_millis(5);

impl Connection {
    /// Answers a request that was executed at once, after what it made possible to answer.
    pub(super) async fn answer(&mut self, header: &RequestHeader, answer: Answer) -> Result<(), End> {
        if let Answer::Refused(_) = answer {
            self.node.metrics.refused.inc();
        }
        self.say_answers().await?;
        self.say(outgoing(header, answer)).await
    }

    /// Writes down what is to be said, in order.
    pub(super) async fn say_answers(&mut self) -> Result<(), End> {
        while let Some(client) = &self.client {
            if !client.session.take(client.connection, &mut self.saying) {
                return Err(End::Replaced);
            }
            self.says |= !self.saying.is_empty();
            if self.saying.is_empty() {
                if (self.held || self.gets) && client.session.is_quiet() {
                    (self.held, self.gets) = (false, false);
                }
                break;
            }
            while let Some(outgoing) = self.saying.pop_front() {
                self.say(outgoing).await?;
            }
        }
        Ok(())
    }

    async fn say(&mut self, outgoing: Outgoing) -> Result<(), End> {
        match outgoing {
            _ if self.parted => {}
            Outgoing::Ready { head, payload } => self.out.answer(&head, payload),
            Outgoing::Remote { header, remote } => self.say_remote(&header, remote).await?,
        }
        if self.out.len() >= OUT_HIGH { self.flush().await } else { Ok(()) }
    }

    /// Answers a get with a content that is read only now: a client that does not read is not read for.
    async fn say_remote(&mut self, header: &RequestHeader, remote: Remote) -> Result<(), End> {
        let length = usize::try_from(remote.length.min(header.payload_length)).unwrap_or(usize::MAX);
        let claim = self.node.budget.claim(length).await;
        let Some(object) = self.node.store.fetch(&remote, length as u64).await else {
            // Replaced or deleted since: asked again, it is answered with what there is, or when there is something.
            if let Some(client) = &self.client {
                let asker = || Asker::Client(client.session.reply(header.clone(), true));
                let again = Request::Get { id: header.id.clone(), or_wait: true, whole: true };
                self.node.store.execute(again, asker);
            }
            return Ok(());
        };
        if let Outgoing::Ready { head, payload } = outgoing(header, Answer::Object(object)) {
            self.out.answer(&head, payload);
        }
        self.flush().await?;
        drop(claim);
        Ok(())
    }

    /// Writes everything; a client must take [`PROGRESS`] bytes, or all, within the stall timeout.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        if !self.woken.is_empty() {
            self.let_hear().await;
        }
        while self.out.len() > 0 {
            self.said = Instant::now();
            let goal = self.out.len().saturating_sub(PROGRESS);
            let writing = async {
                while self.out.len() > goal {
                    self.out.write(&mut self.stream).await?;
                }
                Ok(())
            };
            match timeout(self.node.limits.stall, writing).await {
                Ok(written) => written.map_err(|_: io::Error| End::Reset)?,
                Err(_) => return Err(End::Stalled),
            }
        }
        if let Stream::Tls(stream) = &mut self.stream {
            stream.flush().await.map_err(|_| End::Reset)?;
        }
        if let Some(client) = self.client.as_ref().filter(|_| std::mem::take(&mut self.says)) {
            client.session.said();
        }
        Ok(())
    }

    /// Waits until those whose requests waited for what this client did have been answered: they are to hear of it first. Not
    /// for long, if they do not read what they are told; and nobody waits for this client meanwhile, which would be for ever.
    async fn let_hear(&mut self) {
        let Some(client) = &self.client else { return };
        client.session.set_deaf(true);
        for other in self.woken.drain(..).filter(|other| other.key != client.session.key) {
            if timeout(HEAR, other.heard()).await.is_err() {
                other.set_deaf(true);
            }
        }
        client.session.set_deaf(false);
    }
}
