//! The channels of a run, for a list of runs to choose from.

use serde::Serialize;

/// The most channels that are listed of a run: those that had a line last.
pub(crate) const MAX_LISTED: usize = 100;

/// The channels of a run, those that had a line last first.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ListedChannels {
    channels: Vec<ListedChannel>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct ListedChannel {
    channel: String,
    /// Epoch seconds. None for a channel that is watched and had no line.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_line_at: Option<i128>,
}

impl ListedChannels {
    /// From names without the run, and the times of their last lines in epoch seconds.
    pub(crate) fn new(channels: impl IntoIterator<Item = (String, Option<i128>)>) -> Self {
        let mut channels: Vec<_> = channels
            .into_iter()
            .map(|(channel, last_line_at)| ListedChannel { channel, last_line_at })
            .collect();
        channels.sort_by(|one, other| {
            other.last_line_at.cmp(&one.last_line_at).then_with(|| one.channel.cmp(&other.channel))
        });
        channels.truncate(MAX_LISTED);
        Self { channels }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// When the run had its last line.
    pub(crate) fn last_line_at(&self) -> Option<i128> {
        self.channels.first()?.last_line_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_with_the_last_line_comes_first() {
        let times = [("b", None), ("wepp", Some(7)), ("a", Some(9)), ("ab", None)];
        let listed = ListedChannels::new(times.map(|(channel, time)| (channel.to_owned(), time)));
        let json = serde_json::to_string(&listed).unwrap();
        let expected = r#"{"channels":[{"channel":"a","last_line_at":9},{"channel":"wepp","last_line_at":7},{"channel":"ab"},{"channel":"b"}]}"#;
        assert_eq!((json.as_str(), listed.last_line_at()), (expected, Some(9)));
        let many = (0..200).map(|number| (number.to_string(), Some(number)));
        assert_eq!(ListedChannels::new(many).channels.len(), MAX_LISTED);
        assert!(ListedChannels::new([]).is_empty());
    }
}
