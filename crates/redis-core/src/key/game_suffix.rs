//! What follows `Key::Game` in the names of a game's other keys. etl-worker passes these to its scripts, which handle
//! many games in one call.

/// Of [`Key::GameSuperheros`](super::Key::GameSuperheros). With `:` and a user token after it, of
/// [`Key::GameSuperhero`](super::Key::GameSuperhero).
pub const SUPERHEROS: &str = ":superheros";
/// Of [`Key::GameLogs`](super::Key::GameLogs).
pub const LOGS: &str = ":logs";
/// Of [`Key::GameOrder`](super::Key::GameOrder).
pub const ORDER: &str = ":order";
/// Of [`Key::GameStatus`](super::Key::GameStatus).
pub const STATUS: &str = ":status";
/// Of [`Key::GameParticipants`](super::Key::GameParticipants).
pub const PARTICIPANTS: &str = ":participants";
/// Of [`Key::GameHost`](super::Key::GameHost).
pub const HOST: &str = ":host";
