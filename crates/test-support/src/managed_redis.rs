use fred::types::Value;

use crate::{FlakyProxy, TestRedis, eventually};

/// A Redis as cloud providers run it: one endpoint, behind which a replica takes the primary's place.
///
/// New connections to the endpoint lead to the new primary; old ones stay open, and lead to the old one.
pub struct ManagedRedis {
    /// The primary; after a failover the replica.
    pub first: TestRedis,
    /// The replica; after a failover the primary.
    pub second: TestRedis,
    /// What clients connect to.
    pub endpoint: FlakyProxy,
}

impl ManagedRedis {
    /// Starts a primary, a replica that is up to date, and the endpoint.
    pub async fn start() -> Self {
        let (first, second) = (TestRedis::start().await, TestRedis::start().await);
        second.admin(&format!("REPLICAOF 127.0.0.1 {}", first.port())).await;
        let endpoint = FlakyProxy::start(first.port()).await;
        // The primary counts a replica as online a moment after the replica itself does, and fails over to no other.
        eventually("the replica is up to date", async || {
            has(&second, "master_link_status:up").await && has(&first, "state=online").await
        })
        .await;
        Self { first, second, endpoint }
    }

    /// `redis://` and the endpoint.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.endpoint.port())
    }

    /// Makes the second server the primary, without the loss of a write (`FAILOVER`).
    pub async fn fail_over(&self) {
        self.first.admin(&format!("FAILOVER TO 127.0.0.1 {}", self.second.port())).await;
        eventually("the second server is the primary", async || has(&self.second, "role:master").await).await;
        self.endpoint.redirect(self.second.port());
    }
}

/// Whether `INFO replication` says this.
async fn has(redis: &TestRedis, text: &str) -> bool {
    matches!(redis.admin("INFO replication").await, Value::String(info) if info.contains(text))
}
