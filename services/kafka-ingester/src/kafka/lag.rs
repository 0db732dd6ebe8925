//! How many messages of a partition are left to be read.

use rdkafka::statistics::Partition;

/// The offset up to which a partition is read, if that is beyond the last applied message: what follows it are control
/// records and aborted messages of transactions, which no consumer gets. `next_offset` follows the last applied message.
pub(super) fn position(next_offset: i64, statistics: &Partition) -> i64 {
    let is_all_applied = statistics.fetchq_cnt == 0 && statistics.app_offset <= next_offset;
    if is_all_applied { next_offset.max(statistics.next_offset) } else { next_offset }
}

/// The offsets from `position` to the end of what may be read. `None` if the end is not known yet.
pub(super) fn lag(position: i64, statistics: &Partition) -> Option<i64> {
    let end = if statistics.ls_offset >= 0 { statistics.ls_offset } else { statistics.hi_offset };
    (end >= 0).then(|| (end - position).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(fetchq_cnt: i64, app_offset: i64, next_offset: i64, ls_offset: i64) -> Partition {
        Partition {
            fetchq_cnt,
            app_offset,
            next_offset,
            ls_offset,
            hi_offset: ls_offset,
            ..Partition::default()
        }
    }

    fn lag_of(next_offset: i64, statistics: &Partition) -> Option<i64> {
        lag(position(next_offset, statistics), statistics)
    }

    #[test]
    fn records_that_no_consumer_gets_are_not_left_to_be_read() {
        // Ten messages and the record of the commit, which librdkafka has passed.
        assert_eq!(lag_of(10, &statistics(0, 10, 11, 11)), Some(0));
        // A partition that holds nothing else.
        assert_eq!(lag_of(0, &statistics(0, -1001, 5, 5)), Some(0));
        // The message at 8 and 9 are with the task, and not applied.
        assert_eq!(lag_of(8, &statistics(0, 10, 11, 11)), Some(3));
        // Two messages wait in the queue.
        assert_eq!(lag_of(8, &statistics(2, 8, 11, 11)), Some(3));
        // More messages than were fetched.
        assert_eq!(lag_of(10, &statistics(0, 10, 11, 100)), Some(89));
        assert_eq!(lag_of(10, &statistics(0, 10, 11, -1)), None);
    }
}
