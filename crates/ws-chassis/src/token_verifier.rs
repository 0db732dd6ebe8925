use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::{Notify, watch};
use tracing::warn;
use ws_server::token::{AccessDenied, Grant, TokenKeys};

/// The longest time that a token waits for a fetch: fetches are some seconds apart.
const MAX_WAIT: Duration = Duration::from_secs(12);

/// The keys of this moment, which verify tokens.
pub(crate) struct TokenVerifier {
    /// `None` until they were fetched.
    keys: RwLock<Option<TokenKeys>>,
    /// By how much clocks may differ.
    leeway: Duration,
    /// Keys that are not known may come by a fetch.
    are_fetched: AtomicBool,
    fetches: Fetches,
}

/// Fetches of the keys, by their number.
#[derive(Default)]
struct Fetches {
    /// Somebody has a token that no key has verified.
    wanted: Notify,
    begun: AtomicU64,
    ended: watch::Sender<u64>,
}

impl TokenVerifier {
    pub(crate) fn new(leeway: Duration) -> Self {
        Self {
            keys: RwLock::new(None),
            leeway,
            are_fetched: AtomicBool::new(false),
            fetches: Fetches::default(),
        }
    }

    pub(crate) fn set_fetched(&self, are_fetched: bool) {
        self.are_fetched.store(are_fetched, Ordering::Relaxed);
    }

    pub(crate) fn replace(&self, keys: TokenKeys) {
        let mut current = self.keys.write();
        let is_known = |reason| current.as_ref().is_some_and(|keys| keys.unusable().contains(reason));
        for reason in keys.unusable().iter().filter(|reason| !is_known(reason)) {
            warn!("{reason}");
        }
        *current = Some(keys);
    }

    pub(crate) fn has_keys(&self) -> bool {
        self.keys.read().is_some()
    }

    /// By the keys that are known now.
    pub(crate) fn verify_now(&self, token: Option<&str>) -> Result<Grant, AccessDenied> {
        let token = token.filter(|token| !token.is_empty());
        let token = token.ok_or(AccessDenied::Unauthorized("a token is needed"))?;
        self.keys.read().as_ref().ok_or(AccessDenied::NoKeys)?.verify(token, self.leeway)
    }

    /// As [`verify_now`](Self::verify_now), but a token of a key that is not known waits until the keys were fetched again.
    pub(crate) async fn verify(&self, token: Option<&str>) -> Result<Grant, AccessDenied> {
        match self.verify_now(token) {
            Err(denied) if self.may_be_fetched(denied) => {
                self.refreshed().await;
                self.verify_now(token)
            }
            result => result,
        }
    }

    /// Whether the token is refused now, and may be valid after a fetch.
    pub(crate) fn may_change_its_mind(&self, token: &str) -> bool {
        self.verify_now(Some(token)).is_err_and(|denied| self.may_be_fetched(denied))
    }

    fn may_be_fetched(&self, denied: AccessDenied) -> bool {
        let is_unknown = match denied {
            AccessDenied::UnknownKey => true,
            // The first fetch is under way. If it has failed, nobody waits for the next one.
            AccessDenied::NoKeys => *self.fetches.ended.borrow() == 0,
            _ => false,
        };
        is_unknown && self.are_fetched.load(Ordering::Relaxed)
    }

    /// Waits until a fetch that begins from now on has ended, or the first one.
    pub(crate) async fn refreshed(&self) {
        let begun = self.fetches.begun.load(Ordering::Relaxed);
        let needed = if self.has_keys() { begun + 1 } else { 1 };
        let mut ended = self.fetches.ended.subscribe();
        self.fetches.wanted.notify_one();
        let _ = tokio::time::timeout(MAX_WAIT, ended.wait_for(|ended| *ended >= needed)).await;
    }

    /// Waits until somebody needs a fetch.
    pub(crate) async fn fetch_wanted(&self) {
        self.fetches.wanted.notified().await;
    }

    pub(crate) fn fetch_begins(&self) {
        self.fetches.begun.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fetch_has_ended(&self) {
        self.fetches.ended.send_replace(self.fetches.begun.load(Ordering::Relaxed));
    }
}
