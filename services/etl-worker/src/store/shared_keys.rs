use redis_core::{Key, RedisError};

use super::client::Store;

impl Store {
    /// The first key of another type among those that all games share, in words. While there is one, work stops.
    pub async fn find_wrong_type(&self) -> Result<Option<String>, RedisError> {
        let own = [(Key::EtlJobs, "stream"), (Key::EtlDead, "stream"), (Key::EtlOpenParts, "set")];
        let index = self.dataset.lost.iter().map(|lost| (lost.index.clone(), "zset"));
        let shared: Vec<(String, &str)> =
            own.into_iter().map(|(key, kind)| (self.key(key), kind)).chain(index).collect();
        let keys = shared.iter().map(|(key, _)| key.clone()).collect();
        let types: Vec<String> = self.run(&self.scripts.types, keys, Vec::new()).await?;
        let wrong = |((key, expected), found): (&(String, &str), &String)| {
            (found != expected && found != "none")
                .then(|| format!("{key} is a {found}, not a {expected}: rename it or delete it"))
        };
        Ok(shared.iter().zip(&types).find_map(wrong))
    }
}
