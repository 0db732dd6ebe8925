//! The lines of a channel, or of all channels of a run, in their replay buffers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::line::{Line, LineId};
use crate::replay_buffer::ReplayBuffer;

/// The lines after an id, in the order of their ids.
pub(super) struct BufferedLines<'a> {
    buffers: Vec<(&'a Arc<str>, &'a ReplayBuffer)>,
    /// The next line of each buffer that has one.
    heads: BinaryHeap<Reverse<(&'a Line, usize)>>,
}

impl<'a> BufferedLines<'a> {
    pub(super) fn new(
        buffers: impl Iterator<Item = (&'a Arc<str>, &'a ReplayBuffer)>,
        after: LineId,
    ) -> Self {
        let buffers: Vec<_> = buffers.collect();
        let heads = buffers
            .iter()
            .enumerate()
            .filter_map(|(index, (_, buffer))| Some(Reverse((buffer.lines_after(after).next()?, index))))
            .collect();
        Self { buffers, heads }
    }

    /// The next line and its channel.
    pub(super) fn peek(&self) -> Option<(&'a Arc<str>, &'a Line)> {
        self.heads.peek().map(|Reverse((line, index))| (self.buffers[*index].0, *line))
    }

    pub(super) fn skip_one(&mut self) {
        let Some(Reverse((line, index))) = self.heads.pop() else { return };
        self.heads
            .extend(self.buffers[index].1.lines_after(line.id).next().map(|line| Reverse((line, index))));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::line::test_line;
    use crate::replay_buffer::Retention;

    #[test]
    fn the_lines_of_all_buffers_come_in_order() {
        let names: [Arc<str>; 3] = ["r:a".into(), "r:b".into(), "r:c".into()];
        let retention = Retention { lines: 9, bytes: 999, age: Duration::from_secs(60) };
        let buffer = |sequences: &[u64]| {
            let mut buffer = ReplayBuffer::new(LineId::start_of(5));
            sequences.iter().for_each(|n| buffer.push(test_line(5, *n), Instant::now(), retention));
            buffer
        };
        let buffers = [buffer(&[1, 4, 5]), buffer(&[]), buffer(&[2, 3, 6])];
        let mut lines = BufferedLines::new(names.iter().zip(&buffers), test_line(5, 1).id);
        let mut all = Vec::new();
        while let Some((channel, line)) = lines.peek() {
            all.push(format!("{channel} {}", line.id.sequence));
            lines.skip_one();
        }
        assert_eq!(all, ["r:c 2", "r:c 3", "r:a 4", "r:a 5", "r:c 6"]);
    }
}
