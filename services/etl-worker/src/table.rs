//! The tables that analysts read: their schemas, their rows, their Parquet files.

mod column;
mod json;
mod partition;
mod reader;
mod rows;
mod schema;
mod split;
mod texts;
mod value;
mod writer;

pub use column::{Column, ColumnType, ScalarType};
pub use json::to_json;
pub use partition::{KeyValue, PartitionKey, segment};
pub use reader::Reader;
pub use rows::Rows;
pub use schema::{SCHEMA_KEY, Table, Tables};
pub use value::{Origin, Value};
pub use writer::{Writer, encode};
