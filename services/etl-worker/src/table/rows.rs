use parquet::data_type::ByteArray;

use super::schema::Table;
use crate::game::Row;

/// Rows of a table, column by column in the order of its schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The table.
    pub table: Table,
    pub(super) columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    Text(Vec<ByteArray>),
    Int(Vec<i32>),
    Long(Vec<i64>),
}

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
                (Table::Meta, [Column::Text(games), Column::Text(users), Column::Int(superheros)]) => {
                    games.push(game.clone());
                    users.push(user);
                    superheros.push(row.superhero_id.into());
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
                _ => unreachable!("`new` creates the columns of the table"),
            }
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        match &self.columns[0] {
            Column::Text(values) => values.len(),
            Column::Int(values) => values.len(),
            Column::Long(values) => values.len(),
        }
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all rows, but keeps the memory for new ones.
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
