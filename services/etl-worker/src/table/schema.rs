use std::sync::Arc;

use parquet::errors::Result;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{SchemaDescriptor, Type};

use super::column::Column;
use super::partition::PartitionKey;

/// A table: its name and its columns.
#[derive(Debug, PartialEq)]
pub struct Table {
    name: String,
    version: u32,
    columns: Vec<Column>,
    schema: Arc<Type>,
    partition: Vec<PartitionKey>,
}

/// The tables of a dataset in the order in which they are written: what others refer to comes first.
pub type Tables = Arc<[Arc<Table>]>;

impl Table {
    /// A table. The version changes when the columns do: files of different versions are not merged.
    ///
    /// # Errors
    /// When the names are none that Parquet can have.
    pub fn new(name: &str, version: u32, columns: Vec<Column>) -> Result<Self> {
        let fields: String = columns.iter().map(|column| format!("{column} ")).collect();
        let schema = parse_message_type(&format!("message {} {{ {fields}}}", name.to_lowercase()))?;
        Ok(Self { name: name.to_owned(), version, columns, schema: Arc::new(schema), partition: Vec::new() })
    }

    /// The same table in folders of these keys. Without any, they are those of the parts.
    pub fn partitioned_by(self, partition: Vec<PartitionKey>) -> Self {
        Self { partition, ..self }
    }

    /// The name of the table and of its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The keys of its folders. None if its files are in the folders of their parts.
    pub fn partition(&self) -> &[PartitionKey] {
        &self.partition
    }

    /// The value of [`SCHEMA_KEY`] in the metadata of every file.
    pub fn schema_version(&self) -> String {
        format!("{}/{}", self.name, self.version)
    }

    pub(super) fn schema(&self) -> Arc<Type> {
        Arc::clone(&self.schema)
    }

    /// Whether a file has exactly the columns of this table.
    pub(super) fn has_columns_of(&self, file: &SchemaDescriptor) -> bool {
        SchemaDescriptor::new(self.schema()).columns() == file.columns()
    }
}

/// The key in a file's metadata that says which version of which table the file holds.
pub const SCHEMA_KEY: &str = "backplane.schema";
