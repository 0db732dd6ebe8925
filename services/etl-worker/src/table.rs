//! The two tables that analysts read: their schemas, their rows, their Parquet files.

mod reader;
mod rows;
mod schema;
mod writer;

pub use reader::Reader;
pub use rows::Rows;
pub use schema::{SCHEMA_KEY, Table};
pub use writer::{Writer, encode};
