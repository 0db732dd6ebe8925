//! Keeps the keys as their source has them.

use std::sync::Arc;
use std::time::Duration;

use chassis::{Gate, Readiness};
use tokio::sync::watch;

use crate::token_key::{KeySource, TokenKey};
use crate::token_verifier::TokenVerifier;

const GATE: &str = "token keys";

/// The keys, and where they come from.
pub(crate) struct KeyKeeper {
    verifier: Arc<TokenVerifier>,
    source: watch::Sender<KeySource>,
}

impl KeyKeeper {
    pub(crate) fn new(key: TokenKey, leeway: Duration) -> Self {
        let keeper = Self {
            verifier: Arc::new(TokenVerifier::new(leeway)),
            source: watch::Sender::new(KeySource::Setting),
        };
        keeper.set(key);
        keeper
    }

    pub(crate) fn verifier(&self) -> &Arc<TokenVerifier> {
        &self.verifier
    }

    /// Takes another setting. The keys of a URL are known when they were fetched; until then those of before count.
    pub(crate) fn set(&self, key: TokenKey) {
        let are_fetched = matches!(key.source, KeySource::Url(_));
        self.verifier.set_fetched(are_fetched);
        if !are_fetched {
            self.verifier.replace(key.keys);
        }
        self.source.send_replace(key.source);
    }

    /// Follows the source, and a new one when the setting was read again.
    pub(crate) fn follow(
        self: Arc<Self>,
        readiness: Readiness,
        fetch_interval: Duration,
    ) -> impl Future<Output = ()> + Send {
        // Only for keys that have to be fetched. It is closed from the beginning.
        let are_fetched = matches!(*self.source.borrow(), KeySource::Url(_));
        let gate = are_fetched.then(|| readiness.gate(GATE));
        async move { self.follow_with(gate, readiness, fetch_interval).await }
    }

    async fn follow_with(&self, mut gate: Option<Gate>, readiness: Readiness, fetch_interval: Duration) {
        let mut source = self.source.subscribe();
        loop {
            let current = source.borrow_and_update().clone();
            if let (Some(gate), false) = (&gate, matches!(current, KeySource::Url(_))) {
                gate.open();
            }
            let following = async {
                match current {
                    KeySource::Setting => std::future::pending().await,
                    KeySource::File(file) => file.follow(&self.verifier).await,
                    KeySource::Url(url) => {
                        let gate = gate.get_or_insert_with(|| readiness.gate(GATE));
                        url.follow(&self.verifier, fetch_interval, gate).await
                    }
                }
            };
            tokio::select! {
                never = following => match never {},
                changed = source.changed() => if changed.is_err() { return },
            }
        }
    }
}
