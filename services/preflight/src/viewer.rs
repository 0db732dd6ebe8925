//! A viewer of a run: where the hub keeps it.

use parking_lot::Mutex;

/// What the hub has noted of one viewer. The socket's side holds it too.
#[derive(Default)]
pub(crate) struct Viewer(Mutex<ViewerPlace>);

/// Where the hub keeps a viewer, by a key of four bytes: each viewer has one, and there are fewer viewers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ViewerPlace {
    /// The hub has not heard of it yet.
    #[default]
    Unknown,
    /// It waits to be let in, or to be connected.
    Waiting(u32),
    /// It has opened a socket for the run.
    Opened(u32),
    /// It has added the run to its socket.
    Added(u32),
    /// It was refused, or has left.
    Gone,
}

impl Viewer {
    pub(crate) fn place(&self) -> ViewerPlace {
        *self.0.lock()
    }

    /// Only the hub moves viewers.
    pub(crate) fn move_to(&self, place: ViewerPlace) {
        *self.0.lock() = place;
    }
}
