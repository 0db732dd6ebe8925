//! What can be done with dead letters: show, replay and drop them.

use super::{ScenarioError, ScenarioService};
use crate::dead_letter::{DeadLetter, DeadLetterId};
use crate::event::{Event, Sequence};
use crate::lanes::Lane;

impl ScenarioService {
    /// The oldest dead letters, or those that follow `after`.
    pub(crate) async fn dead_letters(
        &self,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, ScenarioError> {
        let read = async |lane: Lane| self.timeline.dead_letters(lane, after, limit).await;
        let mut letters = self.of_all_lanes(read).await?;
        letters.sort_by_key(|letter| letter.id);
        letters.truncate(limit);
        Ok(letters)
    }

    /// Publishes the step of a dead letter now.
    pub(crate) async fn replay_dead_letter(&self, id: DeadLetterId) -> Result<(), ScenarioError> {
        let letter = self.timeline.dead_letter(id).await?.ok_or(ScenarioError::NoDeadLetter)?;
        if self.revive(vec![letter]).await? > 0 { Ok(()) } else { Err(ScenarioError::NoDeadLetter) }
    }

    /// Publishes the steps of all dead letters that there are when it begins, now. Returns how many.
    pub(crate) async fn replay_dead_letters(&self) -> Result<usize, ScenarioError> {
        let (mut after, mut count) = (None, 0);
        let began_at = self.dead_letters(None, usize::MAX).await?.last().map(|last| last.id);
        loop {
            let mut letters = self.dead_letters(after, PART).await?;
            // A step that is refused again meanwhile is not published for ever.
            letters.retain(|letter| Some(letter.id) <= began_at);
            let Some(last) = letters.last() else { return Ok(count) };
            after = Some(last.id);
            count += self.revive(letters).await?;
        }
    }

    /// Drops a dead letter.
    pub(crate) async fn drop_dead_letter(&self, id: DeadLetterId) -> Result<(), ScenarioError> {
        let lane = self.timeline.lanes().numbered(id.lane).ok_or(ScenarioError::NoDeadLetter)?;
        match self.timeline.drop_dead_letters(lane, &[id]).await? {
            0 => Err(ScenarioError::NoDeadLetter),
            _ => Ok(()),
        }
    }

    /// Drops all dead letters that there are when it begins.
    pub(crate) async fn drop_dead_letters(&self) -> Result<(), ScenarioError> {
        for lane in self.timeline.lanes().iter() {
            let letters = self.timeline.dead_letters(lane, None, usize::MAX).await?;
            let ids: Vec<DeadLetterId> = letters.iter().map(|letter| letter.id).collect();
            for part in ids.chunks(PART) {
                self.timeline.drop_dead_letters(lane, part).await?;
            }
        }
        Ok(())
    }

    /// Puts the steps on the timeline, due now and in the order in which they were due. Returns how many: of each lane all, or none
    /// if somebody else has taken one of them at the same time.
    async fn revive(&self, mut letters: Vec<DeadLetter>) -> Result<usize, ScenarioError> {
        letters.sort_by_key(|letter| (letter.id.lane, letter.event.time(), letter.event.sequence));
        let mut count = 0;
        for letters in letters.chunk_by(|one, next| one.id.lane == next.id.lane) {
            let owner = letters[0].event.owner();
            let lane = self.lane_of(owner);
            let (post, now) = (self.timeline.next_post(lane).await?, self.now_of(owner));
            let event =
                |(index, letter): (u32, &DeadLetter)| letter.event.moved(now, Sequence { post, index });
            let events: Vec<Event> = (0..).zip(letters).map(event).collect();
            let ids: Vec<DeadLetterId> = letters.iter().map(|letter| letter.id).collect();
            count += if self.timeline.revive(lane, &ids, &events).await? { letters.len() } else { 0 };
        }
        Ok(count)
    }
}

/// Dead letters that are handled in one call.
const PART: usize = 1_000;
