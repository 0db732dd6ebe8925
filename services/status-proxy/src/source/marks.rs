//! The start with history in Redis: all instances number all lines alike, from marks on.

use std::sync::Arc;

use anyhow::Context;
use fred::types::Message;
use tokio::sync::broadcast::error::RecvError;
use tracing::info;

use super::{PROBE_TIMEOUT, Place, Source, text_of};
use crate::line::{Id, Line, PRIVATE};
use crate::recorder::Heard;
use crate::target::is_status_channel;

impl Source {
    /// With history in Redis: hears everything, and counts from a mark of its own on.
    pub(super) async fn begin_with_marks(&mut self) -> anyhow::Result<()> {
        self.store
            .subscribe(vec![self.probe_channel.clone(), self.marks_channel.clone()])
            .await
            .context("subscribe the marks")?;
        self.store.subscribe_all().await.context("subscribe everything")?;
        let mark = self.store.publish_mark().await.context("publish a mark")?;
        let text = mark.to_string();
        let is_mine = |message: &Message| message.value.as_str().is_some_and(|value| value == text);
        let mut early = Vec::new();
        let mine = async {
            loop {
                let message = self.heard.messages.recv().await?;
                if *message.channel == *self.marks_channel && is_mine(&message) {
                    return Ok::<_, RecvError>(());
                }
                early.push(message);
            }
        };
        tokio::time::timeout(PROBE_TIMEOUT, mine).await.context("wait for a mark")?.context("hear a mark")?;
        self.has_lost_count = false;
        let (before, at) = (self.position.lock().latest, Id { mark, number: 0 });
        let channels: Vec<Arc<str>> = self.interests.channels().cloned().collect();
        let missed = if self.is_new { None } else { self.store.missed(&channels, before, mark).await? };
        match missed {
            Some(lines) => {
                info!("{} lines that were missed have been read from the recording", lines.len());
                lines.into_iter().for_each(|(channel, line)| self.hub.line(channel, line));
                self.hub.caught_up(at);
            }
            None => {
                self.hub.gap(at);
                // Heard before the mark, so nobody knows their numbers: they are given, and cannot be resumed from.
                let early = early.into_iter().filter(|message| is_status_channel(&message.channel));
                for (number, message) in (PRIVATE..).zip(early) {
                    let line = Line { id: Id { mark: before.mark, number }, text: text_of(&message.value) };
                    self.hub.line(Arc::from(&*message.channel), line);
                }
            }
        }
        *self.position.lock() = Place { latest: at, begin: mark };
        self.tell_recorder(Heard::Begin(mark));
        for channel in self.interests.missing() {
            self.interests.stands(&channel);
        }
        Ok(())
    }
}
