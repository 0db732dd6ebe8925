//! The file `.env`, in the format of Compose: quotes, `export`, comments, `$NAME`.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::Path;

use super::error::SettingError;
use super::variables::Vars;

/// The variables of the file. None if there is no such file.
///
/// # Errors
/// Names the line and the variable that cannot be read, without its value, which may be a secret.
pub(super) fn read(path: &Path) -> Result<Vars, SettingError> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(Vars::new()),
        Err(reason) => Err(SettingError::new(".env", format!("cannot be read: {reason}"))),
    }
}

fn parse(text: &str) -> Result<Vars, SettingError> {
    let lines_read = Cell::new(0);
    let mut vars = Vars::new();
    let mut first = 0;
    for pair in dotenvy::from_read_iter(LineByLine { rest: text.as_bytes(), lines_read: &lines_read }) {
        let (name, value) = pair.map_err(|_| refusal(text, first))?;
        first = lines_read.get();
        if !value.is_empty() {
            vars.insert(name, value.into());
        }
    }
    Ok(vars)
}

/// The refusal of the first pair at or after the line `first`.
fn refusal(text: &str, first: usize) -> SettingError {
    let is_pair = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
    let found = text.lines().enumerate().skip(first).find(|(_, line)| is_pair(line));
    let (number, line) = found.unwrap_or((first, ""));
    let line = line.trim().trim_start_matches("export ").trim();
    let name = line.split_once('=').map_or("", |(name, _)| name.trim());
    let name = if name.is_empty() { "no name".to_owned() } else { format!("{name:?}") };
    let must_be = "must be NAME=VALUE; a value with spaces or # is in quotes, and quotes are closed";
    SettingError::new(format!("line {} of .env ({name})", number + 1), must_be)
}

/// Gives a reader one line at a time, so that the lines that it has read can be counted.
struct LineByLine<'a> {
    rest: &'a [u8],
    lines_read: &'a Cell<usize>,
}

impl Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |end| end + 1);
        let length = line.min(buffer.len());
        let (now, rest) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.rest = rest;
        self.lines_read.set(self.lines_read.get() + usize::from(now.ends_with(b"\n")));
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_for_compose() {
        let text = "# it's a comment\n\nPLAIN=a=b # comment\nSINGLE='a $b \"c\" # d'\nDOUBLE=\"a 'b' \\\"c\\\" # d\"\n\
            export EXPORTED=x\nEMPTY=\nURL=redis://:p@h:1/0?a=b\nCRLF='x'\r\nHASH=a#b\nLINES=\"a\nb\"\nLAST='it''s'";
        let vars = parse(text).unwrap();
        let expected = [
            ("PLAIN", "a=b"),
            ("SINGLE", "a $b \"c\" # d"),
            ("DOUBLE", "a 'b' \"c\" # d"),
            ("EXPORTED", "x"),
            ("URL", "redis://:p@h:1/0?a=b"),
            ("CRLF", "x"),
            ("HASH", "a#b"),
            ("LINES", "a\nb"),
            ("LAST", "its"),
        ];
        assert_eq!(vars, expected.map(|(name, text)| (name.to_owned(), text.into())).into());
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_line_and_name_without_its_value() {
        for (text, place) in [
            ("A=1\n\n# c\nB=two hush\nC=3", "line 4 of .env (\"B\") "),
            ("A=\"1\n2\"\nexport B=\"hush\nC=3\n", "line 3 of .env (\"B\") "),
            ("A=1\nhush\n", "line 2 of .env (no name) "),
            ("A B=1", "line 1 of .env (\"A B\") "),
        ] {
            let refused = parse(text).unwrap_err().to_string();
            assert!(refused.starts_with(place), "{refused}");
            assert!(!refused.contains("hush") && !refused.contains('\n'), "{refused}");
        }
    }
}
