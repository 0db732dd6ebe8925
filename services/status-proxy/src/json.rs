//! JSON strings.

use std::fmt::Write;

/// Appends `text` as a JSON string. Only what JSON demands is escaped.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut copied = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        // An escaped byte is ASCII, so the slice ends at a character boundary.
        out.push_str(&text[copied..index]);
        copied = index + 1;
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}"); // Writing to a String cannot fail.
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_from_its_json_as_it_was() {
        for text in ["", "plain", "\"\\/\n\r\t\u{8}\u{c}\u{0}\u{1f}\u{7f}", "grüße €  🦀", "</script>"]
        {
            let mut json = String::new();
            push_string(&mut json, text);
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            assert_eq!(
                json,
                serde_json::to_string(text).unwrap().replace("\\b", "\\u0008").replace("\\f", "\\u000c")
            );
        }
    }
}
