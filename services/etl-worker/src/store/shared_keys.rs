use redis_core::{Key, RedisError};

use super::client::Store;

impl Store {
    /// The first key of another type among those that all games share, in words. While there is one, work stops.
    pub async fn find_wrong_type(&self) -> Result<Option<String>, RedisError> {
        let shared = [
            (Key::EtlJobs, "stream"),
            (Key::EtlDead, "stream"),
            (Key::EtlOpenParts, "set"),
            (Key::GamesParticipants, "zset"),
        ];
        let keys = shared.iter().map(|(key, _)| key.to_string()).collect();
        let types: Vec<String> = self.run(&self.scripts.types, keys, Vec::new()).await?;
        let wrong = |((key, expected), found): (&(Key, &str), &String)| {
            (found != expected && found != "none")
                .then(|| format!("{key} is a {found}, not a {expected}: rename it or delete it"))
        };
        Ok(shared.iter().zip(&types).find_map(wrong))
    }
}
