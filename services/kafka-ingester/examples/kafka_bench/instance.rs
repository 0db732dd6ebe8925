//! The ingester as a process of its own.

use std::fs;
use std::process::{Child, Command};

use crate::world::World;

/// A running ingester. Dropping it kills it.
pub(crate) struct Instance(Child);

impl Instance {
    pub(crate) fn start(world: &World, topic: &str) -> Self {
        let vars = [
            ("KAFKA_TOPIC", topic),
            ("KAFKA_BROKER", &world.broker),
            // A group for each topic: a new instance need not wait until a killed member's session times out.
            ("KAFKA_GROUP", topic),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &world.redis_port),
            ("SCHEMA_REGISTRY_URL", &world.registry_url),
            ("REDIS_WAIT_REPLICAS", world.wait_replicas),
            ("KEY_TEMPLATE", world.key_template),
            ("LISTEN_ADDR", "127.0.0.1:0"),
            ("LOG_LEVEL", "ERROR"),
            ("KAFKA_CONF_HEARTBEAT_INTERVAL_MS", "300"),
        ];
        Self(Command::new(format!("{}/kafka-ingester", world.bin)).envs(vars).spawn().unwrap())
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.0.id(), name);
    }

    /// CPU seconds used so far.
    pub(crate) fn cpu_s(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    /// The most resident memory it has had, in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}
