//! The server to measure.

use std::str::FromStr;

/// Its port and process.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) port: u16,
    pid: u32,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (port, pid) = text.split_once(',').ok_or("must be PORT,PID")?;
        let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number"));
        Ok(Self { port: port.parse().map_err(|_| "no port")?, pid: number(pid)? })
    }
}

impl Target {
    pub(crate) fn this_process() -> Self {
        Self { port: 0, pid: std::process::id() }
    }

    /// CPU time that the process has used, in seconds.
    pub(crate) fn cpu_seconds(self) -> f64 {
        self.stat_seconds(11)
    }

    /// CPU time that its children have used that have ended.
    pub(crate) fn cpu_seconds_of_children(self) -> f64 {
        self.stat_seconds(13)
    }

    /// The sum of a time in user mode and the one in the kernel after it.
    fn stat_seconds(self, field: usize) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap();
        // The second field, the name, may contain spaces. The fields after it begin with the third.
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        (fields[field].parse::<f64>().unwrap() + fields[field + 1].parse::<f64>().unwrap()) / TICKS
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident_bytes(self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}

/// Ticks of the kernel's clock per second: the same on every Linux.
const TICKS: f64 = 100.0;
