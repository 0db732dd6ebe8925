//! Where the records of a session are in Redis, and which message says that it ended.

use std::ops::Range;

use serde::Deserialize;

/// The name of a key with `{token}` in it, and where it says so `{member}` or `{count}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct KeyPattern {
    text: String,
    /// Where the placeholders are. They are filled in for each session.
    token: Option<usize>,
    member: Option<usize>,
}

const TOKEN: &str = "{token}";
const MEMBER: &str = "{member}";

impl From<String> for KeyPattern {
    fn from(text: String) -> Self {
        let (token, member) = (text.find(TOKEN), text.find(MEMBER));
        Self { text, token, member }
    }
}

impl KeyPattern {
    /// The key of a session.
    pub fn of(&self, token: &str) -> String {
        self.part_of(0..self.text.len(), token)
    }

    /// What is before and after the name of the member.
    pub fn around_member(&self, token: &str) -> (String, String) {
        let (before, after) =
            self.member.map_or((self.text.len(), self.text.len()), |at| (at, at + MEMBER.len()));
        (self.part_of(0..before, token), self.part_of(after..self.text.len(), token))
    }

    /// A part of the pattern, with the token in its place.
    fn part_of(&self, part: Range<usize>, token: &str) -> String {
        match self.token.filter(|at| part.contains(at)) {
            Some(at) => [&self.text[part.start..at], token, &self.text[at + TOKEN.len()..part.end]].concat(),
            None => self.text[part].to_owned(),
        }
    }

    /// What is before and after the count. `None` if there is none in the name.
    pub fn around_count(&self) -> Option<(&str, &str)> {
        self.text.split_once("{count}")
    }

    /// The pattern itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the placeholders are these, each once, and no others.
    pub(super) fn has_exactly(&self, placeholders: &[&str]) -> bool {
        let rest = placeholders.iter().try_fold(self.text.clone(), |rest, placeholder| {
            (rest.matches(placeholder).count() == 1).then(|| rest.replace(placeholder, ""))
        });
        rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['{', '}']))
    }
}

/// The message that says that a session ended.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndOfSession {
    /// The channels on which it is published.
    pub channels: Vec<String>,
    /// The paths of values in the message, and the texts that they must be.
    pub when: std::collections::BTreeMap<String, String>,
    /// The path of the session's token.
    pub token: String,
}

/// The keys of the records that are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// A set: the members.
    pub members: Option<KeyPattern>,
    /// A hash for each member.
    pub member: Option<KeyPattern>,
    /// A hash.
    pub session: Option<KeyPattern>,
    /// A list of JSON objects.
    pub entries: Option<KeyPattern>,
}

/// How sessions are found whose message was lost.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LostSessions {
    /// A sorted set with the tokens of all sessions.
    pub index: String,
    /// A string that tells whether a session ended.
    pub key: KeyPattern,
    /// What it is then.
    pub is: String,
}

/// What happens to the records after the commit, if they are removed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cleanup {
    /// Keys that expire.
    pub expire: Vec<KeyPattern>,
    /// Keys that are deleted at once.
    pub delete: Vec<KeyPattern>,
    /// Lists of many sessions that the token is taken out of. One with `{count}` is meant for each number of members that
    /// the set, the index, or the key `count` has.
    pub lists: Vec<KeyPattern>,
    /// A string: a number of members.
    pub count: Option<KeyPattern>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_the_placeholders_that_its_place_allows() {
        let pattern = |text: &str| KeyPattern::from(text.to_owned());
        assert_eq!(pattern("o:{token}:x").of("t"), "o:t:x");
        let (before, after) = pattern("o:{token}:{member}:x").around_member("t");
        assert_eq!((before.as_str(), after.as_str()), ("o:t:", ":x"));
        let (before, after) = pattern("o:{member}:{token}").around_member("{member}");
        assert_eq!((before.as_str(), after.as_str()), ("o:", ":{member}"));
        assert!(pattern("o:{token}").has_exactly(&["{token}"]));
        for bad in ["o", "{token}", "o:{token}:{user}", "{token}:{token}", "o:{token}}"] {
            assert!(!pattern(bad).has_exactly(&["{token}"]), "{bad}");
        }
    }
}
