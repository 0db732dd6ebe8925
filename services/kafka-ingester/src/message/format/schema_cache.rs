//! The schemas of a registry that are known here.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

use super::schema::Schema;

/// The id of a schema in its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SchemaId(pub u32);

/// The schemas of a registry that are known here: those that were needed last.
#[derive(Debug)]
pub struct SchemaCache(Mutex<LruCache<SchemaId, Entry>>);

/// A schema never changes. That there is none may.
#[derive(Debug)]
enum Entry {
    Known(Arc<Schema>),
    Refused(String, Instant),
}

impl SchemaCache {
    /// The schema, or why there is none. `None` if the registry must be asked.
    pub fn get(&self, id: SchemaId) -> Option<Result<Arc<Schema>, String>> {
        match self.0.lock().get(&id)? {
            Entry::Known(schema) => Some(Ok(Arc::clone(schema))),
            Entry::Refused(reason, since) => {
                (since.elapsed() < REFUSAL_LIFETIME).then(|| Err(reason.clone()))
            }
        }
    }

    /// Keeps what the registry said: a schema, or why there is none.
    pub fn put(&self, id: SchemaId, schema: Result<Schema, String>) {
        let entry = match schema {
            Ok(schema) => Entry::Known(Arc::new(schema)),
            Err(reason) => Entry::Refused(reason, Instant::now()),
        };
        self.0.lock().put(id, entry);
    }
}

impl Default for SchemaCache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MAX_SCHEMAS)))
    }
}

/// After so long the registry is asked again for a schema that it did not have.
const REFUSAL_LIFETIME: Duration = Duration::from_secs(30);
const MAX_SCHEMAS: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_that_were_needed_last_are_known() {
        let (cache, max) = (SchemaCache::default(), MAX_SCHEMAS.get() as u32);
        (0..max).for_each(|id| cache.put(SchemaId(id), Ok(Schema::Json)));
        assert!(cache.get(SchemaId(0)).unwrap().is_ok());
        cache.put(SchemaId(max), Err("none".to_owned()));
        assert!(cache.get(SchemaId(0)).is_some() && cache.get(SchemaId(1)).is_none());
        assert_eq!(cache.get(SchemaId(max)).unwrap().unwrap_err(), "none");
    }
}
