//! The same reports in Avro, in the frame of a schema registry.

use apache_avro::Schema;
use apache_avro::types::{Record, Value};

use crate::world::key;

/// Reports by the schema 1 of the registry.
pub(crate) struct AvroMessages(Schema);

impl AvroMessages {
    pub(crate) fn new() -> Self {
        Self(Schema::parse_str(include_str!("battery.avsc")).unwrap())
    }

    pub(crate) fn message(&self, number: usize) -> Vec<u8> {
        let mut record = Record::new(&self.0).unwrap();
        record.put("battery_id", key(number) as i64);
        record.put("soc", (number % 101) as i32);
        record.put("voltage", 402.0 + (number % 100) as f64 / 100.0);
        record.put("current", -12.5);
        record.put("temperature", 20 + (number % 15) as i32);
        record.put("status", "charging");
        let site = format!("north-east-{}", number % 50);
        record.put("site", Value::Union(1, Box::new(Value::String(site))));
        record.put("ts", 1_700_000_000_000 + number as i64);
        let payload = apache_avro::to_avro_datum(&self.0, record).unwrap();
        [&[0, 0, 0, 0, 1], payload.as_slice()].concat()
    }
}
