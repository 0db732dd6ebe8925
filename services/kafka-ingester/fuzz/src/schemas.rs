//! Schemas with a type of every kind.

use std::sync::{Arc, LazyLock};

use crate::message::{AvroSchema, Schema, SchemaCache, SchemaId};

/// A schema that holds itself.
const AVRO: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"battery_id","type":["long","string","null"]},
    {"name":"a","type":{"type":"array","items":["null","R","double","boolean"]}},
    {"name":"m","type":{"type":"map","values":["bytes","float",{"type":"fixed","name":"F","size":2}]}},
    {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},
    {"name":"d","type":["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2},
        {"type":"string","logicalType":"uuid"}]},
    {"name":"t","type":["null",{"type":"int","logicalType":"date"},{"type":"int","logicalType":"time-millis"}]},
    {"name":"u","type":["null",{"type":"long","logicalType":"timestamp-micros"},
        {"type":"fixed","name":"D","size":12,"logicalType":"duration"}]}]}"#;

const PROTOBUF: &str = r#"syntax = "proto3";
    import "google/protobuf/struct.proto"; import "google/protobuf/timestamp.proto";
    message A {
        int64 battery_id = 1; A a = 2; map<string, double> m = 3; repeated bytes b = 4; enum E { X = 0; Y = 1; } E e = 5;
        google.protobuf.Value v = 6; google.protobuf.Timestamp t = 7; oneof o { sint32 s = 8; fixed64 f = 9; }
    }"#;

/// The schema of a file.
pub static AVRO_SCHEMA: LazyLock<Arc<AvroSchema>> =
    LazyLock::new(|| Arc::new(AvroSchema::parse(AVRO, &[]).expect("it is a schema")));

/// A registry: schema 1 is Avro, 2 Protobuf and 3 JSON; it has no 4.
pub static SCHEMAS: LazyLock<SchemaCache> = LazyLock::new(|| {
    let schemas = SchemaCache::default();
    for (id, kind, text) in [(1, "AVRO", AVRO), (2, "PROTOBUF", PROTOBUF), (3, "JSON", "{}")] {
        schemas.put(SchemaId(id), Schema::parse(kind, text, &[]));
    }
    schemas.put(SchemaId(4), Err("not found".to_owned()));
    schemas
});

/// A registry whose schema 1 is this one, if it is one.
pub fn one_schema(kind: &str, text: &str) -> Option<SchemaCache> {
    let schema = Schema::parse(kind, text, &[]).ok()?;
    let schemas = SchemaCache::default();
    schemas.put(SchemaId(1), Ok(schema));
    Some(schemas)
}
