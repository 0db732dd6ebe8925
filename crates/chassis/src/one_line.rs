//! Text logs: whatever a message or a field holds, an event is one line.

use std::borrow::Cow;
use std::io::{self, Write};

/// Replaces control characters by what they are written as in Rust: `\n`, `\r`, `\u{1b}`. A tab stays.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    // The last two begin a new line in some viewers.
    let is_unsafe = |c: char| (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}');
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().fold(String::with_capacity(text.len() + 16), |mut escaped, c| {
        if is_unsafe(c) {
            escaped.extend(c.escape_default())
        } else {
            escaped.push(c)
        }
        escaped
    });
    Cow::Owned(escaped)
}

/// Escapes each event. The subscriber writes an event by one call, and ends it with a line end.
pub(crate) struct OneLine<W>(pub(crate) W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |text| (text, "\n"));
        match escape(text) {
            Cow::Borrowed(_) => self.0.write_all(event)?,
            // By one call: other processes may write to the same file.
            Cow::Owned(escaped) => self.0.write_all((escaped + end).as_bytes())?,
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use parking_lot::Mutex;
    use tracing::{info, info_span};
    use tracing_subscriber::fmt::fmt;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_control_character_in_a_message_a_field_or_a_span_forges_no_line() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = fmt().with_ansi(false).with_writer(move || OneLine(writer.clone())).finish();
        let token = "game\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}[31m\u{7}\u{2028}\ttab é";
        tracing::subscriber::with_default(subscriber, || {
            let _span = info_span!("round", %token).entered();
            info!(display = %token, debug = ?token, text = token, "message {token}");
        });
        let written = String::from_utf8(buffer.0.lock().clone()).unwrap();
        assert_eq!(written.lines().count(), 1, "{written}");
        let line = written.strip_suffix('\n').unwrap();
        assert!(!line.contains(|c: char| c.is_control() && c != '\t'), "{line:?}");
        assert!(line.contains(r"message game\n2026-01-01T00:00:00Z ERROR forged\r"), "{line}");
        assert!(line.contains("\ttab é"), "{line}");
    }

    #[test]
    fn text_without_control_characters_is_as_it_was() {
        assert!(matches!(escape("tab\t, é, \"quotes\", C:\\n"), Cow::Borrowed(_)));
        assert_eq!(escape("a\nb\rc\u{1b}d\u{0}"), r"a\nb\rc\u{1b}d\u{0}");
    }
}
