use std::fs;
use std::sync::Arc;

use super::compile;
use super::error::DatasetError;
use super::model::{Dataset, SUPERHERO};

/// The dataset of this name if it is built in, or else of this file.
///
/// # Errors
/// When the file cannot be read or is no dataset, with the line and the reason.
pub fn load(name_or_path: &str) -> Result<Arc<Dataset>, DatasetError> {
    if name_or_path == SUPERHERO {
        return parse(name_or_path, include_str!("superhero.toml"));
    }
    let text = fs::read_to_string(name_or_path).map_err(|error| {
        let reason = format!("cannot be read: {error}; only {SUPERHERO} is built in");
        DatasetError::new(name_or_path, None, reason)
    })?;
    parse(name_or_path, &text)
}

/// The dataset that `text` describes. `file` names it in errors.
///
/// # Errors
/// When it is no dataset, with the line and the reason.
pub fn parse(file: &str, text: &str) -> Result<Arc<Dataset>, DatasetError> {
    compile::dataset(file, text).map(Arc::new)
}
