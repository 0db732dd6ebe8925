//! The timeline in Redis. Only this file and those below it speak to Redis. The head of each Lua script says what it does.

mod acks;
mod add_args;
mod client;
mod dead_letters;
mod events;
mod hints;
mod key_types;
mod listeners;
mod membership;
mod needs;
mod playback_args;
mod posts;
mod recordings;
mod scripts;
mod timeline_watch;
mod traces;
mod tracks;

pub(crate) use self::client::Store;
pub(crate) use self::membership::{JoinReply, JoinRequest, MembershipStatus};
