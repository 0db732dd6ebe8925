#![doc = include_str!("../README.md")]

pub mod http;
pub mod lifecycle;
mod metric_history;
pub mod metrics;
mod one_line;
mod open_files;
pub mod parsers;
pub mod probe;
pub mod readiness;
mod run;
pub mod settings;
pub mod telemetry;
pub mod traces;
pub mod unique;

pub use lifecycle::Lifecycle;
pub use readiness::{Gate, Readiness};
pub use run::run;
pub use settings::{ProcessSettings, Service, SettingError, Settings};
