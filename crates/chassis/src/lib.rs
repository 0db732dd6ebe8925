#![doc = include_str!("../README.md")]

pub mod http;
pub mod lifecycle;
pub mod metrics;
pub mod probe;
pub mod readiness;
pub mod settings;
pub mod telemetry;
pub mod unique;
pub mod value;

pub use lifecycle::Lifecycle;
pub use readiness::{Gate, Readiness};
pub use settings::{Invalid, ProcessSettings, Service, Settings};
