//! A Lua script: sent by its hash, and whole when Redis does not know it yet.

use std::sync::Arc;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::LuaInterface;
use fred::types::Value;
use fred::util::sha1_hash;

/// A script and its hash. Cloning shares the text.
#[derive(Clone)]
pub(crate) struct Script {
    text: Arc<str>,
    hash: Arc<str>,
}

impl Script {
    /// A script of several files, one after the other.
    pub(crate) fn new(files: &[&str]) -> Self {
        let text = files.concat();
        Self { hash: sha1_hash(&text).into(), text: text.into() }
    }

    pub(crate) async fn run(
        &self,
        client: &Client,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<Value, Error> {
        match client.evalsha(&*self.hash, keys.clone(), args.clone()).await {
            // A server that was restarted or failed over has forgotten it.
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                client.eval(&*self.text, keys, args).await
            }
            answer => answer,
        }
    }
}
