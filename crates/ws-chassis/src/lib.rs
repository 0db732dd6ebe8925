#![doc = include_str!("../README.md")]

mod access;
mod client_access;
mod http_front;
mod key_file;
mod key_source;
mod key_url;
mod list_query;
mod listing;
mod opener;
mod operator_token;
mod run_access;
mod settings;
mod token_key;
mod token_session;
mod token_verifier;
mod waiting_texts;

pub use access::Access;
pub use http_front::HttpFront;
pub use list_query::ListQuery;
pub use listing::Listing;
pub use opener::Opener;
pub use run_access::RunAccess;
pub use settings::{SocketSettings, drain_time, listen};
