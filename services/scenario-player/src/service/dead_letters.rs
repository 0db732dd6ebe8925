//! What can be done with dead letters: show, replay and drop them.

use super::{ScenarioError, ScenarioService};
use crate::dead_letter::{DeadLetter, DeadLetterId};
use crate::event::{Event, Sequence};

impl ScenarioService {
    /// The oldest dead letters, or those that follow `after`.
    pub(crate) async fn dead_letters(
        &self,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, ScenarioError> {
        Ok(self.timeline.dead_letters(after, limit).await?)
    }

    /// Publishes the step of a dead letter now.
    pub(crate) async fn replay_dead_letter(&self, id: DeadLetterId) -> Result<(), ScenarioError> {
        let letter = self.timeline.dead_letter(id).await?.ok_or(ScenarioError::NoDeadLetter)?;
        if self.revive(vec![letter]).await? { Ok(()) } else { Err(ScenarioError::NoDeadLetter) }
    }

    /// Publishes the steps of all dead letters that there are when it begins, now. Returns how many.
    pub(crate) async fn replay_dead_letters(&self) -> Result<usize, ScenarioError> {
        let (mut after, mut count) = (None, 0);
        let began_at = self.timeline.dead_letters(None, usize::MAX).await?.last().map(|last| last.id);
        loop {
            let mut letters = self.timeline.dead_letters(after, PART).await?;
            // A step that is refused again meanwhile is not published for ever.
            letters.retain(|letter| Some(letter.id) <= began_at);
            let Some(last) = letters.last() else { return Ok(count) };
            after = Some(last.id);
            let replayed = letters.len();
            // If somebody else takes one of them at the same time, these stay.
            count += if self.revive(letters).await? { replayed } else { 0 };
        }
    }

    /// Drops a dead letter.
    pub(crate) async fn drop_dead_letter(&self, id: DeadLetterId) -> Result<(), ScenarioError> {
        match self.timeline.drop_dead_letters(&[id]).await? {
            0 => Err(ScenarioError::NoDeadLetter),
            _ => Ok(()),
        }
    }

    /// Drops all dead letters that there are when it begins.
    pub(crate) async fn drop_dead_letters(&self) -> Result<(), ScenarioError> {
        let letters = self.timeline.dead_letters(None, usize::MAX).await?;
        let ids: Vec<DeadLetterId> = letters.iter().map(|letter| letter.id).collect();
        for part in ids.chunks(PART) {
            self.timeline.drop_dead_letters(part).await?;
        }
        Ok(())
    }

    /// Puts the steps on the timeline, due now and in the order in which they were due. False if one is gone.
    async fn revive(&self, mut letters: Vec<DeadLetter>) -> Result<bool, ScenarioError> {
        letters.sort_by_key(|letter| (letter.event.time(), letter.event.sequence));
        let (post, now) = (self.timeline.next_post().await?, self.now());
        let event = |(index, letter): (u32, &DeadLetter)| letter.event.moved(now, Sequence { post, index });
        let events: Vec<Event> = (0..).zip(&letters).map(event).collect();
        let ids: Vec<DeadLetterId> = letters.iter().map(|letter| letter.id).collect();
        Ok(self.timeline.revive(&ids, &events).await?)
    }
}

/// Dead letters that are handled in one call.
const PART: usize = 1_000;
