use std::collections::BTreeSet;

use crate::part::Part;

/// Which files are committed in every table: those that are listed first and are not open. The tables are listed one after the
/// other, and a game that is committed between two of them is in the second only: its file is in the first table when that is
/// listed again.
pub(super) struct Committed {
    left_out: BTreeSet<String>,
}

impl Committed {
    /// The files of each table when they were listed first and again, and the names of the open ones, read in between.
    pub(super) fn new(first: &[BTreeSet<Part>], again: &[BTreeSet<Part>], open: BTreeSet<String>) -> Self {
        let mut left_out = open;
        for (first, again) in first.iter().zip(again) {
            left_out.extend(again.difference(first).map(|part| part.file_name().to_owned()));
        }
        Self { left_out }
    }

    pub(super) fn contains(&self, part: &Part) -> bool {
        !self.left_out.contains(part.file_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_appears_while_the_tables_are_listed_is_left_out_of_all() {
        let set = |names: &[&str]| -> BTreeSet<Part> {
            names.iter().map(|name| Part::parse(&format!("{name}.gz.parquet")).unwrap()).collect()
        };
        let first = [set(&["k=1/a", "k=1/b"]), set(&["k=2/a", "k=2/b", "k=2/c"])];
        let again = [set(&["k=1/a", "k=1/b", "k=1/c"]), set(&["k=2/a", "k=2/b", "k=2/c"])];
        let committed = Committed::new(&first, &again, BTreeSet::from(["b.gz.parquet".to_owned()]));
        let kept = |files: &BTreeSet<Part>| files.iter().filter(|part| committed.contains(part)).count();
        assert_eq!((kept(&first[0]), kept(&first[1])), (1, 1));
    }
}
