use bytes::Bytes;
use parquet::data_type::ByteArray;

/// The texts of a column, one behind the other: many short ones cost no more memory than their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Texts {
    text: String,
    /// Where each text ends.
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    /// Adds all texts of `more`.
    pub(super) fn append(&mut self, more: &Self) {
        let start = self.text.len();
        self.text.push_str(&more.text);
        self.ends.extend(more.ends.iter().map(|end| start + end));
    }

    /// The text with this number. `None` if there are not so many.
    pub(super) fn get(&self, number: usize) -> Option<&str> {
        let start =
            number.checked_sub(1).map_or(0, |before| self.ends.get(before).copied().unwrap_or_default());
        self.text.get(start..*self.ends.get(number)?)
    }

    /// Removes all texts, but keeps the memory for new ones.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// The texts as Parquet has them. They share one copy of the bytes.
    pub(super) fn to_byte_arrays(&self) -> Vec<ByteArray> {
        let bytes = Bytes::copy_from_slice(self.text.as_bytes());
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| bytes.slice(start..*end).into()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_their_numbers() {
        let mut texts = Texts::default();
        ["grüß", "", "dich"].into_iter().for_each(|text| texts.push(text));
        texts.append(&texts.clone());
        let all = ["grüß", "", "dich", "grüß", "", "dich"];
        assert_eq!((0..7).map_while(|number| texts.get(number)).collect::<Vec<_>>(), all);
        let arrays = texts.to_byte_arrays();
        assert_eq!(arrays.iter().map(|array| array.as_utf8().unwrap()).collect::<Vec<_>>(), all);
        texts.clear();
        assert_eq!((texts.get(0), &texts), (None, &Texts::default()));
    }
}
