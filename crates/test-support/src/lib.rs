#![doc = include_str!("../README.md")]

mod browser;
mod eventually;
mod haproxy;
pub mod load;
mod mosquitto;
mod port;
mod proxy;
mod python;
mod redis;
mod server;
mod service;

pub use browser::Browser;
pub use eventually::{eventually, eventually_ok};
pub use haproxy::Haproxy;
pub use mosquitto::TestMosquitto;
pub use port::free_port;
pub use proxy::FlakyProxy;
pub use python::find_python;
pub use redis::TestRedis;
pub use service::ServiceProcess;
