use std::collections::VecDeque;

/// What the texts that wait may take when another one arrives, in bytes.
const MAX_SIZE: usize = 64 * 1024;
/// What a text takes beside its characters.
const TEXT_OVERHEAD: usize = 48;

/// Messages of a client that have to wait. What they take is bounded, however short they are.
#[derive(Default)]
pub(crate) struct WaitingTexts {
    texts: VecDeque<String>,
    size: usize,
}

impl WaitingTexts {
    /// The first one.
    pub(crate) fn with(text: &str) -> Self {
        Self { texts: VecDeque::from([text.to_owned()]), size: text.len() + TEXT_OVERHEAD }
    }

    /// Returns whether it fits.
    #[must_use]
    pub(crate) fn push(&mut self, text: &str) -> bool {
        let fits = self.size <= MAX_SIZE;
        if fits {
            self.size += text.len() + TEXT_OVERHEAD;
            self.texts.push_back(text.to_owned());
        }
        fits
    }

    pub(crate) fn pop(&mut self) -> Option<String> {
        let text = self.texts.pop_front()?;
        self.size -= text.len() + TEXT_OVERHEAD;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_texts_have_a_limit_too_and_one_that_is_long_fits() {
        let mut waiting = WaitingTexts::default();
        assert!((0..100_000).take_while(|_| waiting.push("")).count() < 2_000);
        while waiting.pop().is_some() {}
        assert!(waiting.push(&"x".repeat(1_000_000)) && !waiting.push("more"));
        assert_eq!(waiting.pop().map(|text| text.len()), Some(1_000_000));
        assert!(waiting.push("more"));
    }
}
