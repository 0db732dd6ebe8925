use std::sync::Arc;

use parquet::errors::Result;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;

/// One of the two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// The dimension: which player played which superhero in which game.
    Meta,
    /// The fact: how each player did.
    Podium,
}

impl Table {
    /// Both tables in the order in which they are written: the dimension before the fact that refers to it.
    pub const ALL: [Table; 2] = [Table::Meta, Table::Podium];

    /// The name of the table and of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Table::Meta => "GAME_META",
            Table::Podium => "GAME_PODIUM",
        }
    }

    /// The value of [`SCHEMA_KEY`] in the metadata of every file.
    pub fn schema_version(self) -> String {
        format!("{}/1", self.name())
    }

    pub(super) fn schema(self) -> Result<Arc<Type>> {
        parse_message_type(self.message_type()).map(Arc::new)
    }

    fn message_type(self) -> &'static str {
        match self {
            Table::Meta => {
                "message game_meta {
                    required binary game_token (STRING);
                    required binary user_token (STRING);
                    required int32 superhero_id (INTEGER(16,false));
                }"
            }
            Table::Podium => {
                "message game_podium {
                    required binary game_token (STRING);
                    required binary user_token (STRING);
                    required int32 rank (INTEGER(8,false));
                    required int32 rounds (INTEGER(16,false));
                    required int64 damage_received (INTEGER(64,false));
                    required int64 damage_sent (INTEGER(64,false));
                }"
            }
        }
    }
}

/// The key in a file's metadata that says which version of which table the file holds.
pub const SCHEMA_KEY: &str = "backplane.schema";
