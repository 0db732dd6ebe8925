//! Which topics are read: a name, or a pattern of names.

use std::fmt;
use std::str::FromStr;

use regex::Regex;

/// A topic's name, or a pattern of names, which begins with `^`.
#[derive(Debug, Clone)]
pub enum TopicSelector {
    /// One topic.
    Name(String),
    /// All topics whose whole name matches; and the text of the pattern.
    Pattern(Regex, String),
}

impl TopicSelector {
    /// The topic, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Pattern(..) => None,
        }
    }

    /// True if a pattern has this topic. Kafka's own topics, `__consumer_offsets` and such, are in no pattern.
    pub fn has(&self, topic: &str) -> bool {
        match self {
            Self::Name(name) => name == topic,
            Self::Pattern(pattern, _) => !topic.starts_with("__") && pattern.is_match(topic),
        }
    }
}

impl FromStr for TopicSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(pattern) = text.strip_prefix('^') {
            let whole = Regex::new(&format!("^(?:{pattern})$"));
            let pattern = whole.map(|whole| Self::Pattern(whole, text.to_owned()));
            return pattern.map_err(|_| format!("must be a regular expression: {text}"));
        }
        let is_name_char = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if (1..=249).contains(&text.len()) && text.chars().all(is_name_char) {
            return Ok(Self::Name(text.to_owned()));
        }
        Err(r"must be 1 to 249 of A-Z a-z 0-9 . _ -, or a pattern that begins with ^, such as ^sensors\..*"
            .to_owned())
    }
}

impl fmt::Display for TopicSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(text) | Self::Pattern(_, text) => f.write_str(text),
        }
    }
}
