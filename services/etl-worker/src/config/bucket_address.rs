use std::fmt;

/// A bucket of an object storage, and a prefix in it: `s3://games/data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketAddress {
    /// Whose storage it is.
    pub provider: Provider,
    /// The bucket or container.
    pub bucket: String,
    /// What the names of all objects begin with. May be empty.
    pub prefix: String,
}

/// A kind of object storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Amazon S3, and everything that speaks it.
    S3,
    /// Azure Blob Storage.
    Azure,
    /// Google Cloud Storage.
    Google,
}

impl BucketAddress {
    /// `None` if it is a folder, or no bucket can have this name.
    pub fn parse(output: &str) -> Option<Self> {
        let (scheme, rest) = output.split_once("://")?;
        let provider = match scheme {
            "s3" => Provider::S3,
            "az" => Provider::Azure,
            "gs" => Provider::Google,
            _ => return None,
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let others = if provider == Provider::Google { ".-_" } else { ".-" };
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c);
        ((3..=63).contains(&bucket.len()) && bucket.chars().all(is_allowed)).then(|| Self {
            provider,
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }
}

/// The bucket without the prefix.
impl fmt::Display for BucketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.provider {
            Provider::S3 => "s3",
            Provider::Azure => "az",
            Provider::Google => "gs",
        };
        write!(f, "{scheme}://{}", self.bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_may_have_a_prefix() {
        let parsed = |text| BucketAddress::parse(text).map(|address| (address.to_string(), address.prefix));
        let found = |bucket: &str, prefix: &str| Some((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(parsed("s3://games"), found("s3://games", ""));
        assert_eq!(parsed("az://games/a/b/"), found("az://games", "a/b"));
        assert_eq!(parsed("gs://my_games/a"), found("gs://my_games", "a"));
        for none in ["data/superhero", "s3://Not_A_Bucket", "s3://", "ftp://games"] {
            assert_eq!(parsed(none), None, "{none}");
        }
    }
}
