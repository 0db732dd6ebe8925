//! A key that nobody else uses. It is changed in every way in which a run may change, and the notifications
//! that arrive show which changes Redis reports. This needs no CONFIG, which many servers forbid.

use std::time::Duration;

use fred::clients::Pool;
use fred::error::ErrorKind;
use fred::interfaces::{HashesInterface, KeysInterface};
use redis_core::error::reason;
use redis_core::{Key, RedisError};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::sleep;

use super::error::{is_forbidden, is_refusal};
use super::subscriber::Subscriber;
use crate::notification_support::NotificationSupport;

/// The canary of this process.
pub(super) struct Canary {
    id: String,
}

impl Canary {
    pub(super) fn new() -> Self {
        Self { id: format!("{:x}", chassis::unique::instance_id()) }
    }

    /// Changes the key, and returns which changes were reported. Proves that the other subscriptions stand too.
    pub(super) async fn probe(
        &self,
        subscriber: &Subscriber,
        writer: &Pool,
    ) -> Result<NotificationSupport, RedisError> {
        let key = Key::PreflightCanary(&self.id);
        let mut notifications = subscriber.notifications();
        match subscriber.subscribe(key).await {
            Err(error) if is_forbidden(&error) => {
                return Ok(NotificationSupport::Forbidden(reason(&error)));
            }
            other => other?,
        }
        subscriber.verify().await?;
        let key = key.to_string();
        match write_key(writer, &key).await {
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

async fn write_key(pool: &Pool, key: &str) -> Result<(), RedisError> {
    let redis = pool.next();
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
