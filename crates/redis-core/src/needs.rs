//! What a service must be allowed to do in Redis.

/// The commands that a service rests on, with example arguments. See [`Connection::check`](crate::Connection::check).
///
/// Redis judges each of them without running it, so the arguments only have to be of the right form, and name keys and
/// channels that the service would really use.
#[derive(Debug, Clone, Default)]
pub struct Needs(Vec<Need>);

/// One command that a service rests on.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    /// The command for people: `PUBLISH to battery:*`. Continues "user NAME may not".
    pub(crate) words: String,
    /// The command's name and arguments.
    pub(crate) command: Vec<String>,
}

impl Needs {
    /// Adds a command on a key or channel: `on("HSET battery:*", ["HSET", "battery:1:data", "field", "value"])`.
    #[must_use]
    pub fn and<T: Into<String>>(
        mut self,
        words: impl Into<String>,
        command: impl IntoIterator<Item = T>,
    ) -> Self {
        let command = command.into_iter().map(Into::into).collect();
        self.0.push(Need { words: words.into(), command });
        self
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Need> {
        self.0.iter()
    }
}
