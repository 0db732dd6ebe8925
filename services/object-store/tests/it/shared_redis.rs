//! The Redis that the nodes of a test share: one server, or with `OBJECT_STORE_TEST_CLUSTER=1` a Redis Cluster.

use test_support::{RedisCluster, TestRedis};

use crate::client::Node;

pub(crate) enum SharedRedis {
    One(TestRedis),
    Cluster(RedisCluster),
}

impl SharedRedis {
    pub(crate) async fn start() -> Self {
        match is_cluster() {
            true => Self::Cluster(RedisCluster::start().await),
            false => Self::One(TestRedis::start().await),
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::One(redis) => redis.url(),
            Self::Cluster(cluster) => cluster.url(),
        }
    }

    /// A node on it.
    pub(crate) async fn node(&self) -> Node {
        Node::redis_with(&self.url(), &[]).await
    }
}

/// Whether the nodes are on a Redis Cluster. There one client's requests are executed and answered in order for each object, and not
/// in all.
pub(crate) fn is_cluster() -> bool {
    test_support::is_full_size("OBJECT_STORE_TEST_CLUSTER")
}
