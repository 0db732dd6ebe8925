//! The commands.

use clap::Subcommand;

/// A command to run instead of the service.
#[derive(Clone, Subcommand)]
pub enum Command {
    /// Print the messages of the broker as JSON, one a line, until it is interrupted
    Record {
        /// Which messages, such as shop/#; may be given several times
        #[arg(long = "topic", value_name = "FILTER", required = true, value_parser = parse_filter)]
        topics: Vec<String>,
    },
}

fn parse_filter(text: &str) -> Result<String, String> {
    let is_filter = rumqttc::valid_filter(text) && text.len() <= 65_535 && !text.contains('\0');
    is_filter.then(|| text.to_owned()).ok_or_else(|| "must be a topic filter, such as shop/#".to_owned())
}
