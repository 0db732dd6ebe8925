//! Clients that get the same bytes, and the bytes that are about to be written to them.

use std::collections::HashMap;

use bytes::BytesMut;
use slab::Slab;
use ws_server::{Audience, Client};

use crate::line::{Line, Style};
use crate::metrics::Metrics;
use crate::target::Target;

/// Bytes for one room after which they are written, whatever else is to come.
const BATCH: usize = 64 * 1024;

/// All rooms of a shard.
#[derive(Default)]
pub(super) struct Rooms {
    rooms: Slab<Room>,
    numbers: HashMap<(Target, Style), usize>,
    /// Rooms with something to write.
    pending: Vec<usize>,
}

/// The clients that watch the same channels in the same style.
struct Room {
    target: Target,
    style: Style,
    audience: Audience,
    out: BytesMut,
    lines: u64,
}

/// A client's place: its room, and its number there.
pub(super) type Chair = (usize, usize);

impl Rooms {
    /// The number of a room, if somebody is in it.
    pub(super) fn find(&self, target: &Target, style: Style) -> Option<usize> {
        self.numbers.get(&(target.clone(), style)).copied()
    }

    /// Opens a room that was not there.
    pub(super) fn open(&mut self, target: Target, style: Style) -> usize {
        let (audience, out) = (Audience::default(), BytesMut::new());
        let number = self.rooms.insert(Room { target: target.clone(), style, audience, out, lines: 0 });
        self.numbers.insert((target, style), number);
        number
    }

    pub(super) fn enter(&mut self, room: usize, client: Client) -> Chair {
        (room, self.rooms[room].audience.insert(client))
    }

    /// What the room watched, if it was left by the last one in it: then it is gone.
    pub(super) fn leave(&mut self, (number, chair): Chair) -> Option<Target> {
        let room = &mut self.rooms[number];
        room.audience.remove(chair);
        if !room.audience.is_empty() {
            return None;
        }
        let room = self.rooms.remove(number);
        self.pending.retain(|&pending| pending != number);
        self.numbers.remove(&(room.target.clone(), room.style));
        Some(room.target)
    }

    /// Has a line written.
    pub(super) fn line(&mut self, number: usize, channel: &str, line: &Line) {
        let room = self.pending(number);
        room.style.status(&mut room.out, channel, line);
        room.lines += 1;
    }

    /// Has a gap announced, to those who are told of gaps.
    pub(super) fn gap(&mut self, number: usize, channel: &str) {
        if self.rooms[number].style.tells_gaps() {
            let room = self.pending(number);
            room.style.gap(&mut room.out, channel);
        }
    }

    fn pending(&mut self, number: usize) -> &mut Room {
        let room = &mut self.rooms[number];
        if room.out.is_empty() {
            self.pending.push(number);
        }
        room
    }

    /// Whether some room's bytes should not wait for more.
    pub(super) fn are_full(&self) -> bool {
        self.pending.iter().any(|&number| self.rooms[number].out.len() > BATCH)
    }

    /// Writes what waits.
    pub(super) async fn write(&mut self, metrics: &Metrics) {
        for number in std::mem::take(&mut self.pending) {
            let room = &mut self.rooms[number];
            let messages = std::mem::take(&mut room.out).freeze();
            let deliveries = std::mem::take(&mut room.lines) * room.audience.len() as u64;
            room.audience.send(&messages).await;
            metrics.deliveries.inc_by(deliveries);
        }
    }
}
