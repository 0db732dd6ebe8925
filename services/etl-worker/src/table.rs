//! The two tables: names, column types, rows.

mod file;

use std::sync::Arc;

use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;

use crate::game::Row;

pub use file::{Reader, Writer, encode};

/// One of the tables that analysts read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// Dimension: who played whom in which game.
    Meta,
    /// Fact: how each player did.
    Podium,
}

/// Rows of a table, column by column, in the order of its schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Which table.
    pub table: Table,
    columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq)]
enum Column {
    Text(Vec<ByteArray>),
    Int(Vec<i32>),
    Long(Vec<i64>),
}

impl Table {
    /// Both, in the order in which they are written: the dimension before the fact that refers to it.
    pub const ALL: [Table; 2] = [Table::Meta, Table::Podium];

    /// The table's name and that of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Table::Meta => "GAME_META",
            Table::Podium => "GAME_PODIUM",
        }
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

    fn schema(self) -> Result<Arc<Type>> {
        parse_message_type(self.message_type()).map(Arc::new)
    }

    /// The value of [`SCHEMA_KEY`] in the metadata of every file.
    pub fn schema_version(self) -> String {
        format!("{}/1", self.name())
    }
}

/// The key in a file's metadata that says which version of which table it holds.
pub const SCHEMA_KEY: &str = "backplane.schema";

impl Rows {
    /// No rows yet.
    pub fn new(table: Table) -> Self {
        let (text, int, long) = (|| Column::Text(vec![]), || Column::Int(vec![]), || Column::Long(vec![]));
        let columns = match table {
            Table::Meta => vec![text(), text(), int()],
            Table::Podium => vec![text(), text(), int(), int(), long(), long()],
        };
        Self { table, columns }
    }

    /// Adds the rows of a game.
    pub fn add(&mut self, game_token: &str, rows: &[Row]) {
        let game = ByteArray::from(game_token);
        for row in rows {
            let user = ByteArray::from(row.user_token.as_str());
            match (self.table, self.columns.as_mut_slice()) {
                (Table::Meta, [Column::Text(games), Column::Text(users), Column::Int(heros)]) => {
                    games.push(game.clone());
                    users.push(user);
                    heros.push(row.superhero_id.into());
                }
                (
                    Table::Podium,
                    [
                        Column::Text(games),
                        Column::Text(users),
                        Column::Int(ranks),
                        Column::Int(rounds),
                        Column::Long(received),
                        Column::Long(sent),
                    ],
                ) => {
                    games.push(game.clone());
                    users.push(user);
                    ranks.push(row.rank.into());
                    rounds.push(row.rounds.into());
                    received.push(row.damage_received.cast_signed());
                    sent.push(row.damage_sent.cast_signed());
                }
                _ => unreachable!("`new` makes the columns of the table"),
            }
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match &self.columns[0] {
            Column::Text(values) => values.len(),
            Column::Int(values) => values.len(),
            Column::Long(values) => values.len(),
        }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops all rows and keeps the memory.
    pub fn clear(&mut self) {
        for column in &mut self.columns {
            match column {
                Column::Text(values) => values.clear(),
                Column::Int(values) => values.clear(),
                Column::Long(values) => values.clear(),
            }
        }
    }
}
