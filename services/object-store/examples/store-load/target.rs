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
    /// CPU time that the process has used, in seconds.
    pub(crate) fn cpu_seconds(self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap();
        // The second field, the name, may contain spaces. The fields after it begin with the third.
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
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
