//! NaN, Infinity and -Infinity, which are not JSON, but which Python and others write as if they were.

/// The text with each of these in quotes. `None` if it has none.
pub(super) fn quote(text: &str) -> Option<String> {
    let (mut quoted, mut copied, mut index) = (String::new(), 0, 0);
    while let Some(found) = text[index..].find(['"', 'N', 'I', '-']) {
        index += found;
        let rest = &text[index..];
        if let Some(word) = WORDS.iter().find(|word| rest.starts_with(**word)) {
            quoted.extend([&text[copied..index], "\"", word, "\""]);
            index += word.len();
            copied = index;
        } else if rest.starts_with('"') {
            index += string_len(rest);
        } else {
            index += 1;
        }
    }
    (copied > 0).then(|| quoted + &text[copied..])
}

/// Bytes of the JSON string at the start of `text`, or of all of it if the string has no end.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

const WORDS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_quoted_outside_of_strings() {
        for (text, quoted) in [
            (
                r#"{"a":NaN,"b":[-Infinity, Infinity],"ä":-1}"#,
                r#"{"a":"NaN","b":["-Infinity", "Infinity"],"ä":-1}"#,
            ),
            (r#"{"NaN":NaN,"\"NaN":"\\"}"#, r#"{"NaN":"NaN","\"NaN":"\\"}"#),
        ] {
            assert_eq!(quote(text).as_deref(), Some(quoted));
        }
        for text in [r#"{"NaN":"-Infinity \" NaN"}"#, r#"{"a":"NaN"#, "", "-1", "Nan"] {
            assert_eq!(quote(text), None, "{text}");
        }
    }
}
