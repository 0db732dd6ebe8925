//! A run and some of its channels: what the path of a request names.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use redis_core::Channel;
use redis_core::id::{ChannelName, RunId};

/// In place of a channel's name: all channels of the run.
pub(crate) const EVERY_CHANNEL: &str = "*";
/// The most channels that one client may watch.
pub(crate) const MAX_CHANNELS: usize = 32;

/// A run and some of its channels, in the order given. Clones share the names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RunChannels(Arc<Inner>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Inner {
    run: RunId,
    /// Their names in Redis: `run:channel`.
    channels: Vec<Box<str>>,
    is_list: bool,
}

impl RunChannels {
    /// Parses `<run>:<channel>`, `<run>:<a>,<b>` or `<run>:*`.
    ///
    /// # Errors
    /// Says what is wrong.
    pub(crate) fn parse(segment: &str) -> Result<Self, String> {
        let (run, names) =
            segment.split_once(':').ok_or_else(|| "the path must end in <run id>:<channel>".to_owned())?;
        Self::new(run, names.split(','), names.contains(','))
    }

    /// Some channels of a run, each of whose frames has to name its own.
    ///
    /// # Errors
    /// Says what is wrong.
    pub(crate) fn of_run<'a>(run: &str, names: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        Self::new(run, names, true)
    }

    fn new<'a>(run: &str, names: impl Iterator<Item = &'a str>, is_list: bool) -> Result<Self, String> {
        let run = RunId::parse(run).map_err(|error| error.to_string())?;
        let mut channels: Vec<Box<str>> = Vec::new();
        let mut is_whole = false;
        for name in names {
            if name == EVERY_CHANNEL {
                is_whole = true;
                continue;
            }
            let name = ChannelName::parse(name).map_err(|error| error.to_string())?;
            let channel = Channel::Status(&run, &name).to_string().into_boxed_str();
            if !channels.contains(&channel) {
                channels.push(channel);
            }
        }
        if is_whole {
            let all = whole_run(run.as_str()).into_boxed_str();
            return Ok(Self(Arc::new(Inner { run, channels: vec![all], is_list: true })));
        }
        if channels.is_empty() {
            return Err("at least one channel must be named".to_owned());
        }
        if channels.len() > MAX_CHANNELS {
            return Err(format!("at most {MAX_CHANNELS} channels can be watched at once"));
        }
        Ok(Self(Arc::new(Inner { run, channels, is_list })))
    }

    /// Those of the channels that `stays` says; `None` if there are none.
    pub(crate) fn only(&self, stays: impl Fn(&str) -> bool) -> Option<Self> {
        let channels: Vec<Box<str>> = self.0.channels.iter().filter(|name| stays(name)).cloned().collect();
        let (run, is_list) = (self.0.run.clone(), self.0.is_list);
        (!channels.is_empty()).then(|| Self(Arc::new(Inner { run, channels, is_list })))
    }

    pub(crate) fn run(&self) -> &RunId {
        &self.0.run
    }

    /// The channels, by their names in Redis.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &str> {
        self.0.channels.iter().map(AsRef::as_ref)
    }

    /// Whether it is all channels of the run.
    pub(crate) fn is_whole_run(&self) -> bool {
        self.channels().any(is_whole_run)
    }

    /// Whether there can be lines of several channels, so that each frame has to name its own.
    pub(crate) fn is_list(&self) -> bool {
        self.0.is_list
    }
}

/// What stands for all channels of a run, in place of a channel's name in Redis.
pub(crate) fn whole_run(run: &str) -> String {
    format!("{run}:{EVERY_CHANNEL}")
}

/// Whether this stands for all channels of a run.
pub(crate) fn is_whole_run(channel: &str) -> bool {
    short_name(channel) == EVERY_CHANNEL
}

/// The run of a channel.
pub(crate) fn run_name(channel: &str) -> &str {
    channel.split(':').next().unwrap_or_default()
}

/// The channel's name within its run.
pub(crate) fn short_name(channel: &str) -> &str {
    channel.rsplit(':').next().unwrap_or_default()
}

/// Which of `shards` shards owns a channel. All channels of a run belong to the same one.
pub(crate) fn shard_index(channel: &str, shards: usize) -> usize {
    let mut hasher = std::hash::DefaultHasher::new();
    run_name(channel).hash(&mut hasher);
    // The remainder is less than a usize.
    (hasher.finish() % shards as u64) as usize
}

/// Whether a Redis channel has the name of a status channel: `<run id>:<channel>`.
pub(crate) fn is_status_channel(name: &str) -> bool {
    let is_plain = |text: &str, punctuation: &str| {
        (1..=256).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || punctuation.as_bytes().contains(&b))
    };
    name.split_once(':').is_some_and(|(run, channel)| is_plain(run, "_.;-") && is_plain(channel, "_.-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_run_and_one_or_several_channels() {
        let one = RunChannels::parse("batch;;x;;run-1:wepp").unwrap();
        assert_eq!(one.run().as_str(), "batch;;x;;run-1");
        assert_eq!(one.channels().collect::<Vec<_>>(), ["batch;;x;;run-1:wepp"]);
        assert!(!one.is_list());
        let several = RunChannels::parse("r:a,b,a").unwrap();
        assert_eq!(several.channels().collect::<Vec<_>>(), ["r:a", "r:b"]);
        assert!(several.is_list());
        for path in ["r:*", "r:a,*,b"] {
            let all = RunChannels::parse(path).unwrap();
            assert_eq!(all.channels().collect::<Vec<_>>(), ["r:*"]);
            assert!(all.is_list() && is_whole_run("r:*") && !is_whole_run("r:a"));
        }
    }

    #[test]
    fn any_other_path_is_refused() {
        let many = format!("r:{}", (0..33).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
        for wrong in [
            "", "r", ":", "r:", ":a", "r:a:b", "r:a,", "r:,a", "r:a b", "r/x:a", "r:ä", "r*:a", "r:a*",
            "r:**", "r:*,", "*:a", &many,
        ] {
            assert!(RunChannels::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_redis_channel_is_a_status_channel_if_a_path_can_name_it() {
        for name in ["r:a", "batch;;x:wepp.log-1_a"] {
            assert!(is_status_channel(name) && RunChannels::parse(name).is_ok(), "{name}");
        }
        for name in ["", "r", "r:", "games:1:logs", "__keyspace@0__:r", "r:a,b", "r:a b", "r:*"] {
            assert!(!is_status_channel(name), "{name}");
        }
    }

    #[test]
    fn all_channels_of_a_run_are_in_one_shard() {
        assert_eq!(shard_index("r:a", 8), shard_index("r:b", 8));
        assert!((0..100).map(|n| shard_index(&format!("r{n}:a"), 2)).any(|shard| shard == 1));
    }
}
