//! A key that nobody else uses. It is changed in every way in which a run may change, and the notifications
//! that arrive show which changes Redis reports. This needs no CONFIG, which many servers forbid.

use std::time::Duration;

use fred::clients::Client;
use fred::error::ErrorKind;
use fred::interfaces::{HashesInterface, KeysInterface};
use redis_core::error::reason;
use redis_core::{Key, Redis, RedisError, Shard};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::sleep;

use super::error::{is_forbidden, is_refusal, unknown_shard};
use super::subscriber::Subscriber;
use crate::notification_support::NotificationSupport;

/// Names are tried until one has its slot on the shard. Even a shard with a single slot has one among so many.
const MAX_TRIES: u32 = 200_000;

/// The canary of this process on one shard.
pub(super) struct Canary {
    process: String,
    redis: Redis,
    shard: Shard,
}

impl Canary {
    pub(super) fn new(process: &str, redis: Redis, shard: Shard) -> Self {
        Self { process: process.to_owned(), redis, shard }
    }

    /// A name whose key this shard has now. `None` if it has no slots any more.
    fn id(&self) -> Option<String> {
        let is_here = |id: &String| {
            let key = Key::PreflightCanary(id).name(self.redis.layout());
            self.redis.shard_of(key).as_ref() == Some(&self.shard)
        };
        let others = (1..MAX_TRIES).map(|number| format!("{}-{number}", self.process));
        std::iter::once(self.process.clone()).chain(others).find(is_here)
    }

    /// Changes the key, and returns which changes were reported. Proves that the other subscriptions stand too.
    pub(super) async fn probe(&self, subscriber: &Subscriber) -> Result<NotificationSupport, RedisError> {
        let id = self.id().ok_or_else(unknown_shard)?;
        let key = Key::PreflightCanary(&id);
        let mut notifications = subscriber.notifications();
        match subscriber.subscribe(key).await {
            Err(error) if is_forbidden(&error) => {
                return Ok(NotificationSupport::Forbidden(reason(&error)));
            }
            other => other?,
        }
        subscriber.verify().await?;
        let key = key.name(self.redis.layout());
        match write_key(self.shard.client(), &key).await {
            Err(error) if is_refusal(&error) => {
                return Ok(NotificationSupport::Unknown(reason(&error)));
            }
            other => other?,
        }
        // Redis sends notifications before the reply to a later command, so after this all of them are here.
        subscriber.settle().await?;
        let mut operations = Vec::new();
        loop {
            match notifications.try_recv() {
                Ok(notification) if notification.key.as_str() == Some(&key) => {
                    operations.push(notification.operation);
                }
                Ok(_) => {}
                Err(TryRecvError::Lagged(_)) => {
                    return Err(RedisError::new(ErrorKind::Backpressure, "too many notifications"));
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => {
                    return Ok(NotificationSupport::from_operations(&operations));
                }
            }
        }
    }
}

async fn write_key(redis: &Client, key: &str) -> Result<(), RedisError> {
    // Whatever another has put there.
    let _: () = redis.del(key).await?;
    let _: () = redis.hset(key, ("probe", "true")).await?;
    let _: () = redis.del(key).await?;
    let _: () = redis.hset(key, ("probe", "true")).await?;
    let _: () = redis.pexpire(key, 1, None).await?;
    sleep(Duration::from_millis(5)).await;
    // Redis notices that a key has expired, and reports it, when the key is accessed.
    redis.exists(key).await
}
