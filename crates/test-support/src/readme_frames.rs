//! The JSON frames that a README quotes, compared with those that a service sends.

use std::collections::BTreeSet;

/// The frames (`{"type":…}`) of a README. Their values may be placeholders, such as `<text>` or `[…]`.
pub fn readme_frames(readme: &str) -> Vec<&str> {
    let starts = readme.match_indices("{\"type\":\"");
    starts
        .map(|(start, _)| {
            let rest = &readme[start..];
            let end = braces(rest).find_map(|(index, depth)| (depth == 0).then_some(index + 1));
            &rest[..end.expect("a frame ends")]
        })
        .collect()
}

/// A frame's type.
pub fn frame_kind(frame: &str) -> &str {
    frame.split('"').nth(3).unwrap_or_default()
}

/// A frame's type and the names of its fields, in their order: `status(data,id)`.
pub fn frame_shape(frame: &str) -> String {
    let (mut names, mut depth, mut rest) = (Vec::new(), 0, frame);
    while let Some(index) = rest.find(['{', '}', '"']) {
        let (sign, behind) = (rest.as_bytes()[index], &rest[index + 1..]);
        rest = behind;
        match sign {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {
                let end = end_of_string(behind);
                let after = behind.get(end + 1..).unwrap_or_default();
                if depth == 1 && after.starts_with(':') {
                    names.push(&behind[..end]);
                }
                rest = after;
            }
        }
    }
    format!("{}({})", frame_kind(frame), names.get(1..).unwrap_or_default().join(","))
}

/// The shapes of a README that are not among those that were sent. One without fields names all of its type.
pub fn unsent_shapes(readme: &[&str], sent: &BTreeSet<String>) -> Vec<String> {
    let is_sent = |shape: &String| match shape.strip_suffix("()") {
        Some(kind) => sent.iter().any(|sent| sent.split('(').next() == Some(kind)),
        None => sent.contains(shape),
    };
    readme.iter().map(|frame| frame_shape(frame)).filter(|shape| !is_sent(shape)).collect()
}

/// Where braces are, and how many are open behind each.
fn braces(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut depth = 0usize;
    text.match_indices(['{', '}']).map(move |(index, brace)| {
        depth = if brace == "{" { depth + 1 } else { depth.saturating_sub(1) };
        (index, depth)
    })
}

fn end_of_string(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_and_have_their_fields_in_order() {
        let readme = r#"sends `{"type":"a","b":{"x":1},"c":[…],"d":<code>}`, and {"type":"ping"}."#;
        let frames = readme_frames(readme);
        assert_eq!(frames.iter().map(|frame| frame_shape(frame)).collect::<Vec<_>>(), ["a(b,c,d)", "ping()"]);
        let real = r#"{"type":"a","b":{"x":"}\""},"c":["b",":"],"d":7}"#;
        let sent = BTreeSet::from([frame_shape(real), "ping(at)".to_owned()]);
        assert_eq!(unsent_shapes(&frames, &sent), [""; 0]);
        assert_eq!(unsent_shapes(&frames, &BTreeSet::new()), ["a(b,c,d)", "ping()"]);
    }
}
