//! Whether two patterns of keys can name the same key.

use std::collections::HashSet;

/// True if a key can be named by both patterns. A token is `[A-Za-z0-9_-]+`, a count is a number, a member is any text.
pub(super) fn can_overlap(one: &str, other: &str) -> bool {
    let (one, other) = (steps(one), steps(other));
    let (mut open, mut seen) = (vec![(0, 0)], HashSet::new());
    while let Some((i, j)) = open.pop() {
        if !seen.insert((i, j)) {
            continue;
        }
        match (one.get(i), other.get(j)) {
            (None, None) => return true,
            (Some(a), Some(b)) => {
                // A step that repeats may be over, and it may take one more character.
                open.extend(a.repeats.then_some((i + 1, j)));
                open.extend(b.repeats.then_some((i, j + 1)));
                if a.kind.meets(b.kind) {
                    open.push((i + usize::from(!a.repeats), j + usize::from(!b.repeats)));
                }
            }
            (Some(a), None) => open.extend(a.repeats.then_some((i + 1, j))),
            (None, Some(b)) => open.extend(b.repeats.then_some((i, j + 1))),
        }
    }
    false
}

/// A character of a pattern, or any number of them.
#[derive(Clone, Copy)]
struct Step {
    kind: Kind,
    repeats: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Character(char),
    OfToken,
    Digit,
    Any,
}

impl Kind {
    fn meets(self, other: Self) -> bool {
        let is_of_token = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        match (self, other) {
            (Self::Character(a), Self::Character(b)) => a == b,
            (Self::Character(c), Self::OfToken) | (Self::OfToken, Self::Character(c)) => is_of_token(c),
            (Self::Character(c), Self::Digit) | (Self::Digit, Self::Character(c)) => c.is_ascii_digit(),
            _ => true,
        }
    }
}

fn steps(pattern: &str) -> Vec<Step> {
    let (mut steps, mut rest) = (Vec::new(), pattern);
    while let Some(c) = rest.chars().next() {
        let placeholders = [("{token}", Kind::OfToken), ("{count}", Kind::Digit), ("{member}", Kind::Any)];
        let found = placeholders.into_iter().find_map(|(name, kind)| Some((rest.strip_prefix(name)?, kind)));
        match found {
            Some((after, kind)) => {
                steps.extend([false, true].map(|repeats| Step { kind, repeats }));
                rest = after;
            }
            None => {
                steps.push(Step { kind: Kind::Character(c), repeats: false });
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_overlap_if_a_key_fits_both() {
        for (one, other) in [
            ("a:{token}", "a:{token}"),
            ("a:{token}", "a:all"),
            ("a:{token}:{member}", "a:{token}:x:y"),
            ("{token}:a", "b-{token}:a"),
            ("a:{member}", "a:b:{token}:c"),
        ] {
            assert!(can_overlap(one, other) && can_overlap(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("a:{token}", "b:{token}"),
            ("a:{token}", "a:{token}:x"),
            ("a:{token}", "a:"),
            ("a:{token}:x", "a:{token}:y"),
            ("games:players:{count}", "games:{token}:logs"),
        ] {
            assert!(!can_overlap(one, other) && !can_overlap(other, one), "{one} {other}");
        }
    }
}
