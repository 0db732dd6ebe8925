//! Text from outside, for logs and reasons.

/// At most `max` characters of a text, with control characters escaped: what a peer wrote can neither fill the log nor look
/// like a line of it.
pub(crate) fn printable(text: &str, max: usize) -> String {
    let mut printable = String::new();
    for c in text.chars().take(max) {
        if c.is_control() { printable.extend(c.escape_default()) } else { printable.push(c) }
    }
    if text.chars().nth(max).is_some() {
        printable.push('…');
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shortened_and_stays_on_its_line() {
        assert_eq!(printable("player bob", 10), "player bob");
        assert_eq!(printable("player bob", 6), "player…");
        assert_eq!(printable("a\nERROR \u{1b}[31mb", 99), "a\\nERROR \\u{1b}[31mb");
    }
}
