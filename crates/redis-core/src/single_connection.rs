use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::{Builder, ConnectHandle};

use crate::RedisError;

/// A connection that is never made again by itself.
pub(crate) struct SingleConnection {
    pub(crate) client: Client,
    task: ConnectHandle,
}

impl SingleConnection {
    /// `builder` must have no reconnect policy.
    pub(crate) async fn open(builder: &Builder) -> Result<Self, RedisError> {
        let client = builder.build()?;
        let connection = Self { task: client.connect(), client };
        connection.client.wait_for_connect().await?;
        Ok(connection)
    }
}

impl Drop for SingleConnection {
    fn drop(&mut self) {
        // fred's task would outlive the client.
        self.task.abort();
    }
}
