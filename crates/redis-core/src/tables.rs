//! For tests: the README's tables, and what a name in them stands for.

use std::collections::BTreeSet;

/// A table of the README.
pub(crate) struct Table(Vec<Row>);

/// A row, by its cells.
pub(crate) struct Row(Vec<String>);

impl Table {
    /// The table whose head begins with these words.
    pub(crate) fn read(head: &str) -> Self {
        let lines = include_str!("../README.md").lines().skip_while(|line| !line.starts_with(head)).skip(2);
        let cells =
            |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        let rows: Vec<Row> =
            lines.take_while(|line| line.starts_with('|')).map(|line| Row(cells(line))).collect();
        assert!(!rows.is_empty(), "no table {head}");
        Self(rows)
    }

    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.0.iter().map(Row::name).collect()
    }

    /// The row with this name.
    pub(crate) fn row(&self, name: &str) -> &Row {
        self.0.iter().find(|row| row.name() == name).expect("a row of this table")
    }

    /// The row that says most exactly what this name is: of those whose pattern matches, the only one with the most letters of
    /// its own.
    pub(crate) fn row_of(&self, name: &str) -> &Row {
        let mut rows: Vec<(usize, &Row)> = self
            .0
            .iter()
            .filter(|row| matches(row.name(), name))
            .map(|row| (own_letters(row.name()), row))
            .collect();
        rows.sort_by_key(|(letters, _)| std::cmp::Reverse(*letters));
        let best = rows.first().unwrap_or_else(|| panic!("the README has no row for {name}"));
        let equal = rows.iter().filter(|(letters, _)| *letters == best.0).count();
        assert_eq!(equal, 1, "the README has several rows for {name}");
        best.1
    }
}

impl Row {
    /// What is in the first cell, without the backticks.
    pub(crate) fn name(&self) -> &str {
        self.0[0].trim_matches('`')
    }

    pub(crate) fn cell(&self, number: usize) -> &str {
        &self.0[number]
    }

    /// Whether the last cell, in which values stand in angles, is the form of this name.
    pub(crate) fn is_on_cluster(&self, name: &str) -> bool {
        let form = self.0.last().map_or("", |cell| cell.trim_matches('`'));
        // Braces are those of the name there.
        let words = |text: &str| text.replace('{', "\u{1}").replace('}', "\u{2}");
        let form = words(form).replace('⟨', "{").replace('⟩', "}");
        matches(&form, &words(name))
    }

    /// Whether it says that the key has the same name on a Cluster.
    pub(crate) fn is_the_same_on_cluster(&self) -> bool {
        self.0.last().is_some_and(String::is_empty)
    }
}

/// Whether the name has this form, in which `{word}` stands for some text.
fn matches(form: &str, name: &str) -> bool {
    let Some((before, rest)) = form.split_once('{') else { return form == name };
    let Some((word, after)) = rest.split_once('}') else { return false };
    let Some(name) = name.strip_prefix(before) else { return false };
    let ends = name.char_indices().map(|(start, letter)| start + letter.len_utf8());
    ends.filter(|end| is_value(word, &name[..*end])).any(|end| matches(after, &name[end..]))
}

/// A prefix ends with a colon, a path may have one, and no other value has.
fn is_value(word: &str, text: &str) -> bool {
    match word {
        "key_prefix" => text.ends_with(':'),
        "path" => true,
        "id in hex" => text.chars().all(|letter| letter.is_ascii_hexdigit()),
        _ => !text.contains(':'),
    }
}

fn own_letters(form: &str) -> usize {
    form.split('}').map(|part| part.split('{').next().unwrap_or_default().len()).sum()
}

/// The names of the variants of an enum in this source.
pub(crate) fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let (_, rest) = source.split_once(&format!("pub enum {name}")).expect("the enum is there");
    let (body, _) = rest.split_once("\n}").expect("the enum ends");
    let starts = body.lines().filter_map(|line| line.strip_prefix("    "));
    let words = starts.filter(|line| line.starts_with(char::is_uppercase));
    words.map(|line| line.split(['(', ',', ' ']).next().unwrap_or_default().to_owned()).collect()
}
