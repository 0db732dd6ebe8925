//! Single values in JSON. They are checked while they are read, so these types hold valid values only.

use std::fmt;

use redis_core::id::CustomerId;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::number_or_text::NumberOrText;
use crate::playback::Speed;
use crate::scenario::StepKind;
use crate::time::EpochMicros;

/// A customer's id in JSON.
pub(in crate::http) struct Id(pub(in crate::http) CustomerId);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Takes numbers and booleans as the original does: as Python's text of them.
        struct IdVisitor;
        impl Visitor<'_> for IdVisitor {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Id, E> {
                CustomerId::parse(text).map(Id).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Id, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Id, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Id, E> {
                self.visit_str(&format!("{number:?}"))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Id, E> {
                self.visit_str(if value { "True" } else { "False" })
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}

/// A step's type in JSON.
pub(super) struct Kind(pub(super) StepKind);

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KindVisitor;
        impl Visitor<'_> for KindVisitor {
            type Value = Kind;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("ENTER, MOVE, EXIT or FOCUS")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Kind, E> {
                StepKind::parse(text)
                    .map(Kind)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(KindVisitor)
    }
}

/// A coordinate in JSON: any number, or the text of one. Its fraction is cut off.
#[derive(Clone, Copy)]
pub(super) struct Coordinate(pub(super) i32);

impl Serialize for Coordinate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i32(self.0)
    }
}

impl<'de> Deserialize<'de> for Coordinate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

impl NumberOrText for Coordinate {
    const EXPECTED: &'static str = "a number";

    fn of_number<E: de::Error>(number: f64) -> Result<Self, E> {
        let number = number.trunc();
        if (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number) {
            Ok(Self(number as i32))
        } else {
            Err(E::custom("must lie between -2147483648 and 2147483647"))
        }
    }

    fn of_text<E: de::Error>(text: &str) -> Result<Self, E> {
        match text.trim().parse() {
            Ok(number) => Self::of_number(number),
            Err(_) => Err(E::invalid_value(de::Unexpected::Str(text), &Self::EXPECTED)),
        }
    }
}

/// A time in JSON.
pub(super) struct Time(pub(super) EpochMicros);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.display_iso())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

impl NumberOrText for Time {
    const EXPECTED: &'static str = "ISO 8601 with a zone, or a number since the epoch";

    fn of_number<E: de::Error>(number: f64) -> Result<Self, E> {
        EpochMicros::from_number(number).map(Self).map_err(E::custom)
    }

    fn of_text<E: de::Error>(text: &str) -> Result<Self, E> {
        match text.trim().parse() {
            Ok(number) => Self::of_number(number),
            Err(_) => EpochMicros::parse(text).map(Self).map_err(E::custom),
        }
    }
}

/// A time.
#[derive(ToSchema)]
#[schema(as = Timestamp)]
#[expect(dead_code, reason = "only its schema is used: either of two kinds of value")]
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum TimeSchema {
    /// ISO 8601 with a zone.
    #[schema(title = "ISO 8601", format = DateTime)]
    Text(String),
    /// Seconds since the epoch up to 2e10, above that milliseconds.
    #[schema(title = "number since the epoch")]
    Number(f64),
}

/// A factor of speed, or `max`.
pub(super) struct Rate(pub(super) Speed);

/// How fast.
#[derive(ToSchema)]
#[schema(as = Rate)]
#[expect(dead_code, reason = "only its schema is used: either of two kinds of value")]
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum RateSchema {
    /// A factor, 0.1 to 1000.
    #[schema(title = "factor")]
    Factor(f64),
    /// `max`: as fast as the broker takes it.
    #[schema(title = "max")]
    Max(String),
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == Speed::MAX {
            serializer.serialize_str(MAX_RATE)
        } else {
            serializer.serialize_f64(self.0.factor())
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

impl NumberOrText for Rate {
    const EXPECTED: &'static str = "a number or max";

    fn of_number<E: de::Error>(factor: f64) -> Result<Self, E> {
        Speed::new(factor).map(Self).ok_or_else(|| E::custom(RATE_RANGE))
    }

    fn of_text<E: de::Error>(text: &str) -> Result<Self, E> {
        if text == MAX_RATE {
            Ok(Self(Speed::MAX))
        } else {
            Err(E::invalid_value(de::Unexpected::Str(text), &Self::EXPECTED))
        }
    }
}

pub(in crate::http) const MAX_RATE: &str = "max";
pub(in crate::http) const RATE_RANGE: &str = "must lie between 0.1 and 1000, or be max";
