#![doc = include_str!("../README.md")]

mod browser;
mod child_server;
mod eventually;
mod flaky_proxy;
pub mod framing;
mod free_port;
mod haproxy;
mod idle_clients;
pub mod load;
mod managed_redis;
mod mosquitto;
mod node;
mod python;
mod redis;
mod redis_versions;
mod refusals;
mod sentinel;
mod service_process;
mod size;
mod strangers;

pub use browser::Browser;
pub use eventually::{eventually, eventually_ok};
pub use flaky_proxy::FlakyProxy;
pub use free_port::free_port;
pub use haproxy::Haproxy;
pub use idle_clients::IdleClients;
pub use managed_redis::ManagedRedis;
pub use mosquitto::TestMosquitto;
pub use python::find_python;
pub use redis::TestRedis;
pub use redis_versions::redis_versions;
pub use refusals::Refusal;
pub use sentinel::{Loss, TestSentinel};
pub use service_process::ServiceProcess;
pub use size::{is_full_size, size_from_env};
pub use strangers::{check_other_sites, check_token};
