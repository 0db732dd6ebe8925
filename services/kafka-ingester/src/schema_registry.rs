//! A schema registry with the API of Confluent's.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest_tls::{Client, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::RegistryConfig;
use crate::message::{Schema, SchemaCache, SchemaId};

/// The schema registry of the settings, if there is one, and what is known of it.
pub(crate) struct SchemaRegistry {
    server: Option<Server>,
    schemas: SchemaCache,
}

struct Server {
    client: Client,
    url: Url,
    credentials: Option<(String, Option<String>)>,
}

impl SchemaRegistry {
    /// # Errors
    /// If the client cannot be created.
    pub(crate) fn new(config: &RegistryConfig) -> anyhow::Result<Self> {
        let server = config.schema_registry_url.as_ref().map(|url| Server::new(url, config));
        Ok(Self { server: server.transpose()?, schemas: SchemaCache::default() })
    }

    /// The schemas that are known, if there is a registry.
    pub(crate) fn schemas(&self) -> Option<&SchemaCache> {
        self.server.as_ref().map(|_| &self.schemas)
    }

    /// Makes a schema known, or why there is none if the registry says that for good.
    ///
    /// # Errors
    /// Why it cannot be known now.
    pub(crate) async fn load(&self, id: SchemaId) -> anyhow::Result<()> {
        let server = self.server.as_ref().context("there is no schema registry")?;
        // The task of another partition may have been quicker.
        if self.schemas.get(id).is_none() {
            let context = || format!("load schema {} from {}", id.0, server.url);
            let schema = server.fetch(id).await.with_context(context)?;
            self.schemas
                .put(id, schema.map_err(|reason| format!("schema {} of the registry: {reason}", id.0)));
        }
        Ok(())
    }
}

impl Server {
    fn new(url: &Url, config: &RegistryConfig) -> anyhow::Result<Self> {
        let certificates =
            config.schema_registry_tls_ca.iter().flat_map(|certificates| &certificates.0).cloned();
        let client = Client::builder().timeout(TIMEOUT);
        let client = certificates.fold(client, reqwest_tls::ClientBuilder::add_root_certificate);
        let client = client.build().context("create the client of the schema registry")?;
        let username = config.schema_registry_username.clone();
        let credentials = username.map(|username| (username, config.schema_registry_password.clone()));
        Ok(Self { client, url: url.clone(), credentials })
    }

    async fn fetch(&self, id: SchemaId) -> anyhow::Result<Result<Schema, String>> {
        let found: FoundSchema = match self.get(&["schemas", "ids", &id.0.to_string()]).await? {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (mut texts, mut wanted) = (BTreeMap::new(), found.references);
        while let Some(reference) = wanted.pop() {
            if texts.contains_key(&reference.name) {
                continue;
            }
            ensure!(texts.len() < MAX_REFERENCES, "it needs more than {MAX_REFERENCES} other schemas");
            let version = reference.version.to_string();
            let needed: FoundSchema =
                match self.get(&["subjects", &reference.subject, "versions", &version]).await? {
                    Ok(needed) => needed,
                    Err(refusal) => return Ok(Err(refusal)),
                };
            texts.insert(reference.name, needed.schema);
            wanted.extend(needed.references);
        }
        let texts: Vec<_> = texts.into_iter().collect();
        Ok(Schema::parse(&found.kind, &found.schema, &texts))
    }

    /// What the registry has at this path, or that it has nothing there.
    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> anyhow::Result<Result<T, String>> {
        let mut url = self.url.clone();
        // A URL of http has a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = self.client.get(url);
        if let Some((username, password)) = &self.credentials {
            request = request.basic_auth(username, password.as_deref());
        }
        let mut response = request.send().await.map_err(reqwest_tls::Error::without_url)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(reqwest_tls::Error::without_url)? {
            body.extend_from_slice(&part);
            ensure!(body.len() <= MAX_BYTES, "the answer has more than {MAX_BYTES} bytes");
        }
        if status.is_success() {
            return Ok(Ok(serde_json::from_slice(&body).context("read the answer")?));
        }
        match serde_json::from_slice::<Refusal>(&body) {
            // A 404 of anything between here and the registry says nothing about schemas.
            Ok(refusal) if status == StatusCode::NOT_FOUND && NOT_FOUND.contains(&refusal.error_code) => {
                Ok(Err(format!("{} ({})", refusal.message, refusal.error_code)))
            }
            Ok(refusal) => bail!("the answer is {status}: {}", refusal.message),
            Err(_) => bail!("the answer is {status}"),
        }
    }
}

#[derive(Deserialize)]
struct FoundSchema {
    schema: String,
    #[serde(rename = "schemaType", default = "avro")]
    kind: String,
    #[serde(default)]
    references: Vec<Reference>,
}

/// Another schema that a schema needs, and the name that it has there.
#[derive(Deserialize)]
struct Reference {
    name: String,
    subject: String,
    version: i64,
}

#[derive(Deserialize)]
struct Refusal {
    error_code: u32,
    #[serde(default)]
    message: String,
}

/// The registry's default.
fn avro() -> String {
    "AVRO".to_owned()
}

/// There is no such subject, version or schema.
const NOT_FOUND: [u32; 3] = [40401, 40402, 40403];
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BYTES: usize = 16 << 20;
const MAX_REFERENCES: usize = 100;
