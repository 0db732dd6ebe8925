//! Avro by apache-avro's writer, which the service does not use.

use apache_avro::Schema;
use serde_json::Value;

/// The bytes of a value by a schema.
pub(crate) fn avro(schema: &str, value: Value) -> Vec<u8> {
    encode(&Schema::parse_str(schema).unwrap(), value)
}

/// The same by a schema that was parsed before.
pub(crate) fn encode(schema: &Schema, value: Value) -> Vec<u8> {
    let value = apache_avro::types::Value::from(value).resolve(schema).unwrap();
    apache_avro::to_avro_datum(schema, value).unwrap()
}

/// The same in the frame of a registry.
pub(crate) fn framed(id: u32, payload: &[u8]) -> Vec<u8> {
    [&[0], id.to_be_bytes().as_slice(), payload].concat()
}
