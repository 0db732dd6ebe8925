//! The commands besides the service itself.

use std::path::PathBuf;
use std::time::Duration;

use chassis::parsers;
use clap::{Args, Subcommand};

/// A command to run instead of the service.
#[derive(Subcommand)]
pub enum Command {
    /// Check whether a configuration file can be used
    Check {
        /// The file
        file: PathBuf,
    },
    /// What is done with a running node.
    #[command(flatten)]
    Node(NodeCommand),
}

/// A command that talks to a running node over HTTP.
#[derive(Subcommand)]
pub enum NodeCommand {
    /// List the objects, and what requests of the node wait for
    Ls {
        /// Which objects
        #[command(flatten)]
        selection: Selection,
        /// List only what requests wait for
        #[arg(long)]
        waiting: bool,
    },
    /// Write an object to standard output
    Get {
        /// Its id in hex
        id: String,
    },
    /// Store an object, from a file or from standard input
    Put {
        /// Its id in hex
        id: String,
        /// The file
        file: Option<PathBuf>,
        /// Metadata to store with it, such as text/plain
        #[arg(long, default_value = "")]
        metadata: String,
    },
    /// Remove objects
    Rm {
        /// Their ids in hex
        #[arg(required_unless_present_any = ["prefix", "max_age"], conflicts_with_all = ["prefix", "max_age"])]
        ids: Vec<String>,
        /// Or which objects
        #[command(flatten)]
        selection: Selection,
    },
}

/// Which objects.
#[derive(Args)]
pub struct Selection {
    /// Only those whose id begins with these hex digits
    #[arg(long, value_name = "DIGITS")]
    pub(crate) prefix: Option<String>,

    /// Only orphans: those that were stored, or have been waited for, longer ago than this
    #[arg(long, value_name = "DURATION", value_parser = parsers::duration)]
    pub(crate) max_age: Option<Duration>,
}
