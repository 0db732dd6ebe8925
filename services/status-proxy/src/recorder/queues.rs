//! Leads to the recorders of all partitions.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::group::RecorderGroup;
use super::input::RecorderInput;
use crate::line::Line;
use crate::partition::Partitions;

/// See [the module](self).
pub(crate) struct RecorderQueues {
    partitions: Partitions,
    /// One for each partition.
    queues: Vec<mpsc::UnboundedSender<RecorderInput>>,
    pub(crate) group: Arc<RecorderGroup>,
}

impl RecorderQueues {
    /// The queues, and their ends in the order of the partitions.
    pub(crate) fn new(
        partitions: Partitions,
        group: Arc<RecorderGroup>,
    ) -> (Self, Vec<mpsc::UnboundedReceiver<RecorderInput>>) {
        let (queues, ends) = partitions.iter().map(|_| mpsc::unbounded_channel()).unzip();
        (Self { partitions, queues, group }, ends)
    }

    /// Tells the recorder of the channel's run of a line.
    pub(crate) fn push_line(&self, channel: Arc<str>, line: Line) {
        let queue = &self.queues[self.partitions.of(&channel).number];
        // A recorder ends only with the process.
        let _ = queue.send(RecorderInput::Line(channel, line));
    }

    /// Tells all recorders.
    pub(crate) fn push_to_all(&self, input: &RecorderInput) {
        for queue in &self.queues {
            let _ = queue.send(input.clone());
        }
    }
}
