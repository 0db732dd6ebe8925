//! What a path names: a run and some of its channels.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use redis_core::Channel;
use redis_core::id::{ChannelName, RunId};

/// Channels that one client may watch at once.
const MAX_CHANNELS: usize = 32;

/// A run and channels of it, in the order given. Cloning shares it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target(Arc<Inner>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Inner {
    run: RunId,
    /// The names in Redis: `run:channel`.
    channels: Vec<Box<str>>,
    names_channel: bool,
}

impl Target {
    /// Reads `<run>:<channel>` or `<run>:<a>,<b>`.
    ///
    /// # Errors
    /// Says what is wrong.
    pub(crate) fn parse(segment: &str) -> Result<Self, String> {
        let (run, channels) =
            segment.split_once(':').ok_or_else(|| "the path must end in <run id>:<channel>".to_owned())?;
        let run = RunId::parse(run).map_err(|error| error.to_string())?;
        let mut names: Vec<Box<str>> = Vec::new();
        for channel in channels.split(',') {
            let channel = ChannelName::parse(channel).map_err(|error| error.to_string())?;
            let name = Channel::Status(&run, &channel).to_string().into_boxed_str();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.len() > MAX_CHANNELS {
            return Err(format!("at most {MAX_CHANNELS} channels can be watched at once"));
        }
        Ok(Self(Arc::new(Inner { run, channels: names, names_channel: channels.contains(',') })))
    }

    /// The run.
    pub(crate) fn run(&self) -> &RunId {
        &self.0.run
    }

    /// The channels, as they are named in Redis.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &str> {
        self.0.channels.iter().map(AsRef::as_ref)
    }

    /// Whether frames say which channel they are of.
    pub(crate) fn names_channel(&self) -> bool {
        self.0.names_channel
    }
}

/// The part of all runs, of so many, that a channel's run belongs to.
pub(crate) fn shard_of(channel: &str, shards: usize) -> usize {
    let run = channel.split(':').next().unwrap_or_default();
    let mut hasher = std::hash::DefaultHasher::new();
    run.hash(&mut hasher);
    // The remainder is less than a usize.
    (hasher.finish() % shards as u64) as usize
}

/// Whether a name is that of a status channel.
pub(crate) fn is_status_channel(name: &str) -> bool {
    let plain = |text: &str, more: &str| {
        (1..=256).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.as_bytes().contains(&b))
    };
    name.split_once(':').is_some_and(|(run, channel)| plain(run, "_.;-") && plain(channel, "_.-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_run_and_one_or_several_channels() {
        let one = Target::parse("batch;;x;;run-1:wepp").unwrap();
        assert_eq!(one.run().as_str(), "batch;;x;;run-1");
        assert_eq!(one.channels().collect::<Vec<_>>(), ["batch;;x;;run-1:wepp"]);
        assert!(!one.names_channel());
        let several = Target::parse("r:a,b,a").unwrap();
        assert_eq!(several.channels().collect::<Vec<_>>(), ["r:a", "r:b"]);
        assert!(several.names_channel());
    }

    #[test]
    fn anything_else_is_refused() {
        let many = format!("r:{}", (0..33).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
        for wrong in
            ["", "r", ":", "r:", ":a", "r:a:b", "r:a,", "r:,a", "r:a b", "r/x:a", "r:ä", "r*:a", &many]
        {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn status_channels_are_told_from_others_as_paths_are() {
        for name in ["r:a", "batch;;x:wepp.log-1_a"] {
            assert!(is_status_channel(name) && Target::parse(name).is_ok(), "{name}");
        }
        for name in ["", "r", "r:", "games:1:logs", "__keyspace@0__:r", "r:a,b", "r:a b"] {
            assert!(!is_status_channel(name), "{name}");
        }
    }

    #[test]
    fn all_channels_of_a_run_are_in_one_shard() {
        assert_eq!(shard_of("r:a", 8), shard_of("r:b", 8));
        assert!((0..100).map(|n| shard_of(&format!("r{n}:a"), 2)).any(|shard| shard == 1));
    }
}
