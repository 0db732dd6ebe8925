//! Parsers of single values, for `#[arg(value_parser = …)]`: durations, sizes, addresses, booleans.

use std::time::Duration;

/// `5s`, `500ms`, `2m`, `1h`, compound (`1m30s`) or with a fraction (`0.5s`). A bare `0` needs no unit.
///
/// # Errors
/// Says what a duration looks like.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text).ok().filter(|_| !text.contains(char::is_whitespace));
    parsed.ok_or_else(|| "must be a duration such as 5s, 500ms or 1m30s".to_owned())
}

/// A [`duration`] that is longer than nothing.
///
/// # Errors
/// Says what it must be.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        duration => Ok(duration),
    }
}

/// A number of bytes: plain (`65536`) or with `KB`, `MB`, `GB` (1024 each), in any letter case.
///
/// # Errors
/// Says what a size looks like.
pub fn size(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_bytes = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => Some(1),
        "K" | "KB" => Some(1 << 10),
        "M" | "MB" => Some(1 << 20),
        "G" | "GB" => Some(1 << 30),
        _ => None,
    };
    let bytes =
        number.parse::<usize>().ok().zip(unit_bytes).and_then(|(number, unit)| number.checked_mul(unit));
    bytes.ok_or_else(|| "must be a number of bytes such as 65536, 64KB or 32MB".to_owned())
}

/// `true`, `false`, `yes`, `no`, `on`, `off`, `1`, `0`, in any letter case.
///
/// # Errors
/// Says what is accepted.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// A URL that begins with `http://` or `https://`, without what the URLs of its paths must not have before them.
///
/// # Errors
/// Says what it must be.
pub fn http_url(text: &str) -> Result<String, String> {
    let url = reqwest_tls::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.filter(|url| url.has_host() && url.query().is_none() && url.fragment().is_none());
    url.map(|_| text.trim_end_matches('/').to_owned())
        .ok_or_else(|| "must be a URL such as http://localhost:4318".to_owned())
}

/// A text with names in braces, `user:{id}:{topic}`: the text before the first one, and each name with the text after it.
/// `None` if the braces are not in pairs.
pub fn placeholders(text: &str) -> Option<(&str, Vec<(&str, &str)>)> {
    let mut pieces = text.split('{');
    let prefix = pieces.next().filter(|prefix| !prefix.contains('}'))?;
    let named = pieces.map(|piece| piece.split_once('}').filter(|(_, after)| !after.contains('}')));
    Some((prefix, named.collect::<Option<_>>()?))
}

/// `HOST:PORT`, or `:PORT` for every interface. The host is an address or a name.
///
/// # Errors
/// Says what an address looks like.
pub fn listen_addr(text: &str) -> Result<String, String> {
    let fail = || "must be HOST:PORT or :PORT".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(fail)?;
    port.parse::<u16>().map_err(|_| fail())?;
    Ok(if host.is_empty() { format!("0.0.0.0:{port}") } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_write_them() {
        for (text, ms) in
            [("5s", 5000), ("500ms", 500), ("2m", 120_000), ("1m30s", 90_000), ("0.5s", 500), ("0", 0)]
        {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for bad in ["", "5", "s", "5x", "-1s", "1e9s", "..s", "999999999999999999999h", "5s3", "5 s"] {
            assert_eq!(
                duration(bad).unwrap_err(),
                "must be a duration such as 5s, 500ms or 1m30s",
                "{bad:?}"
            );
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        assert_eq!(size("65536"), Ok(65536));
        assert_eq!(size("64KB"), Ok(65536));
        assert_eq!(size("32mb"), Ok(32 << 20));
        for bad in ["", "KB", "1.5MB", "-1", "10TB", "99999999999999999999", "99999999999999GB"] {
            assert!(size(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn python_and_compose_spellings_of_yes_and_no_are_read() {
        assert_eq!(boolean("True"), Ok(true));
        assert_eq!(boolean("0"), Ok(false));
        assert!(boolean("maybe").is_err());
    }

    #[test]
    fn a_bare_port_listens_on_every_interface() {
        assert_eq!(listen_addr(":8000").unwrap(), "0.0.0.0:8000");
        assert_eq!(listen_addr("127.0.0.1:0").unwrap(), "127.0.0.1:0");
        assert_eq!(listen_addr("[::1]:80").unwrap(), "[::1]:80");
        for bad in ["8000", "host", ":", ":99999"] {
            assert!(listen_addr(bad).is_err(), "{bad:?}");
        }
    }
}
