//! Key names with a placeholder for a message's id: `battery:{battery_id}:data`.

use std::str::FromStr;

/// A key name with exactly one placeholder, `{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate {
    prefix: String,
    placeholder: String,
    suffix: String,
}

impl KeyTemplate {
    /// The name between the braces.
    pub fn placeholder(&self) -> &str {
        &self.placeholder
    }

    /// The key of an id.
    pub fn key(&self, id: &str) -> String {
        [&self.prefix, id, &self.suffix].concat()
    }
}

impl FromStr for KeyTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (prefix, rest) = text.split_once('{')?;
            let (placeholder, suffix) = rest.split_once('}')?;
            let is_single =
                !prefix.contains('}') && !placeholder.contains('{') && !suffix.contains(['{', '}']);
            (is_single && !placeholder.is_empty()).then(|| Self {
                prefix: prefix.to_owned(),
                placeholder: placeholder.to_owned(),
                suffix: suffix.to_owned(),
            })
        };
        parse().ok_or_else(|| {
            "must be a text with one placeholder, such as battery:{battery_id}:data".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis_core::Key;

    #[test]
    fn the_default_template_makes_the_battery_key() {
        let template: KeyTemplate = "battery:{battery_id}:data".parse().unwrap();
        assert_eq!(template.placeholder(), "battery_id");
        assert_eq!(template.key("7"), "battery:7:data");
        assert_eq!(template.key("7"), Key::Battery("7").to_string());
        assert_eq!(template.key("a{b}c"), "battery:a{b}c:data");
    }

    #[test]
    fn a_template_has_one_placeholder() {
        assert_eq!("{id}".parse::<KeyTemplate>().unwrap().key("7"), "7");
        for bad in ["", "battery", "{}", "{a}{b}", "a}{b}", "{a", "{{a}}", "{a}}"] {
            assert!(bad.parse::<KeyTemplate>().is_err(), "{bad}");
        }
    }
}
