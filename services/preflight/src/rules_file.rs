//! Loads [`Rules`] from a rules file. Each error names the line.

mod parser;
mod toml_value;

use std::fs;

use crate::rules::Rules;
use parser::Parser;

/// What is wrong in a rules file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct RulesError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

/// The rules that are built into the binary, by name.
const BUILT_IN: [(&str, &str); 2] = [
    ("weppcloud2", include_str!("../rules/weppcloud2.toml")),
    ("wepppy", include_str!("../rules/wepppy.toml")),
];

impl Rules {
    /// Loads the built-in rules of that name, `weppcloud2` or `wepppy`, or else the rules file at that path.
    ///
    /// # Errors
    /// When the file cannot be read or parsed. The text names the file, the line and the reason.
    pub fn load(name_or_path: &str) -> Result<Self, String> {
        match BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
            Some((_, text)) => Self::parse(text).map_err(|error| error.to_string()),
            None => {
                let text = fs::read_to_string(name_or_path).map_err(|error| {
                    format!(
                        "must be weppcloud2, wepppy or the path of a rules file: read {name_or_path}: {error}"
                    )
                })?;
                Self::parse(&text)
                    .map_err(|error| format!("must be a rules file without errors: {name_or_path} {error}"))
            }
        }
    }

    /// Parses the text of a rules file.
    ///
    /// # Errors
    /// The first error, with its line.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        Parser::default().parse(text).map_err(|error| RulesError {
            line: 1 + text.as_bytes().iter().take(error.offset).filter(|byte| **byte == b'\n').count(),
            reason: error.reason,
        })
    }
}

#[cfg(test)]
mod tests;
