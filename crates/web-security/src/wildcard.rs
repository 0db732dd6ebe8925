//! Wildcard patterns: `*` matches any number of characters, `?` matches one.

/// Whether `pattern` matches the whole of `text`. Letter case matters.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // The position of the last `*`, and where in the text its match ends. It is enough to backtrack to the last one.
    let mut backtrack: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            backtrack = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star, match_end)) = backtrack {
            backtrack = Some((star, match_end + 1));
            p = star + 1;
            t = match_end + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

/// The patterns of a comma-separated list, in lower case.
pub(crate) fn parse_list(list: &str) -> Vec<String> {
    list.split(',')
        .map(|pattern| pattern.trim().to_ascii_lowercase())
        .filter(|pattern| !pattern.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_matches_any_number_of_characters() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("*", "run-1", true),
            ("run-1", "run-1", true),
            ("run-1", "run-12", false),
            ("run-*", "run-12", true),
            ("*.example.org", "www.example.org", true),
            ("*.example.org", "example.org", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
