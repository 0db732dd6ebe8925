//! What a valid token grants.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use web_security::wildcard;

/// What a valid token grants: which runs its holder may watch, and until when.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// Wildcard patterns for runs.
    runs: Vec<String>,
    expires_at: Option<SystemTime>,
}

#[derive(Deserialize)]
pub(super) struct Claims {
    runs: Runs,
    /// Seconds since 1970, possibly with a fraction (RFC 7519, section 2).
    exp: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Runs {
    One(String),
    Many(Vec<String>),
}

impl Grant {
    pub(super) fn new(claims: Claims, leeway: Duration) -> Self {
        let runs = match claims.runs {
            Runs::One(pattern) => vec![pattern],
            Runs::Many(patterns) => patterns,
        };
        // A time that is too far away to be represented is never.
        let expires_at = claims.exp.and_then(|seconds| {
            let since_1970 = Duration::try_from_secs_f64(seconds).ok()?.checked_add(leeway)?;
            SystemTime::UNIX_EPOCH.checked_add(since_1970)
        });
        Self { runs, expires_at }
    }

    /// All runs, without an end.
    pub fn everything() -> Self {
        Self { runs: vec!["*".to_owned()], expires_at: None }
    }

    /// Whether its holder may watch this run.
    pub fn allows(&self, run: &str) -> bool {
        self.runs.iter().any(|pattern| wildcard::matches(pattern, run))
    }

    /// When it ends: `exp`, and the leeway.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }
}
