//! The games that ended most recently. Every player of a game sends a message, and one of them is enough.

use std::collections::{HashSet, VecDeque};

use redis_core::Key;
use redis_core::id::GameToken;
use tracing::warn;

/// A bounded set of games, which forgets the oldest.
#[derive(Default)]
pub(crate) struct RecentGames {
    games: HashSet<GameToken>,
    oldest_first: VecDeque<GameToken>,
}

impl RecentGames {
    /// Adds a game. False if it was in the set already.
    pub(crate) fn insert(&mut self, game: &GameToken) -> bool {
        if !self.games.insert(game.clone()) {
            return false;
        }
        self.oldest_first.push_back(game.clone());
        if self.oldest_first.len() > CAPACITY {
            let oldest = self.oldest_first.pop_front();
            oldest.map(|oldest| self.games.remove(&oldest));
        }
        true
    }
}

/// Logs that a game is skipped.
pub(crate) fn warn_unreadable(game: &GameToken) {
    let key = Key::EtlGame(game);
    warn!(%game, "skipped game {game}: {key} is not the state of a job; delete it to have the game written");
}

const CAPACITY: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recent_games_are_bounded() {
        let mut recent = RecentGames::default();
        let game = |n: usize| GameToken::parse(format!("g{n}")).unwrap();
        assert!(recent.insert(&game(0)));
        assert!(!recent.insert(&game(0)));
        (1..=CAPACITY).for_each(|n| assert!(recent.insert(&game(n))));
        assert_eq!(recent.games.len(), CAPACITY);
        assert!(recent.insert(&game(0)));
    }
}
