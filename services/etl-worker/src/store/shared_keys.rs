use fred::clients::Client;
use fred::interfaces::ClientLike;
use redis_core::{Key, RedisError};

use super::client::Store;

impl Store {
    /// The first key of another type among those that all games share, in words. While there is one, work stops.
    pub async fn find_wrong_type(&self) -> Result<Option<String>, RedisError> {
        let mut shared = [
            (Key::EtlJobs, "stream"),
            (Key::EtlDead, "stream"),
            (Key::EtlOpenParts, "set"),
            (Key::EtlCleaning, "zset"),
        ]
        .map(|(key, kind)| (self.key(key), kind))
        .to_vec();
        shared.extend(self.dataset.lost.iter().map(|lost| (lost.index.clone(), "zset")));
        for (key, expected) in &shared {
            let ask =
                |client: Client| async move { client.custom(fred::cmd!("TYPE"), vec![key.as_str()]).await };
            let found: String = self.redis.run(key, ask).await?;
            if found != *expected && found != "none" {
                return Ok(Some(format!("{key} is a {found}, not a {expected}: rename it or delete it")));
            }
        }
        Ok(None)
    }
}
