use fred::clients::Client;
use fred::interfaces::ClientLike;

/// Latency and CPU time of a series of deliveries.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// The median time from sending to arrival, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile of the same, in milliseconds.
    pub p99_ms: f64,
    /// The sender's CPU time per delivery, in microseconds.
    pub cpu_us: f64,
}

impl Figures {
    /// From the latency of each delivery, in microseconds, and the CPU time of all of them together.
    ///
    /// # Panics
    /// When there are none.
    pub fn from_latencies(mut latencies_us: Vec<u32>, cpu_seconds: f64) -> Self {
        latencies_us.sort_unstable();
        let percentile =
            |share: f64| f64::from(latencies_us[((latencies_us.len() - 1) as f64 * share) as usize]) / 1e3;
        Self {
            p50_ms: percentile(0.5),
            p99_ms: percentile(0.99),
            cpu_us: cpu_seconds * 1e6 / latencies_us.len() as f64,
        }
    }

    /// The median of several rounds, for each figure by itself.
    ///
    /// # Panics
    /// When there are none.
    pub fn median(rounds: &[Self]) -> Self {
        let median_of = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        Self {
            p50_ms: median_of(|r| r.p50_ms),
            p99_ms: median_of(|r| r.p99_ms),
            cpu_us: median_of(|r| r.cpu_us),
        }
    }
}

/// User and system CPU time of a process so far.
///
/// # Panics
/// When there is no such process.
pub fn cpu_seconds(pid: u32) -> f64 {
    read_cpu_seconds(&format!("/proc/{pid}/stat"))
}

/// User and system CPU time of the calling thread so far.
pub(super) fn thread_cpu_seconds() -> f64 {
    read_cpu_seconds("/proc/thread-self/stat")
}

/// Reads a `stat` file of `/proc`. It counts CPU time in hundredths of a second.
fn read_cpu_seconds(path: &str) -> f64 {
    let stat = std::fs::read_to_string(path).expect("read the stat file");
    let (_, fields) = stat.rsplit_once(") ").expect("the stat file has a name");
    let ticks =
        fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().expect("a number of ticks"));
    ticks.sum::<u64>() as f64 / 100.0
}

/// User and system CPU time of a Redis so far.
///
/// # Panics
/// When it does not answer INFO.
pub async fn redis_cpu_seconds(redis: &Client) -> f64 {
    let text: String = redis.custom(fred::cmd!("INFO"), vec!["cpu"]).await.expect("ask Redis");
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("INFO has the field");
        line.trim().parse::<f64>().expect("a number")
    };
    field("used_cpu_sys:") + field("used_cpu_user:")
}

/// The resident memory of a process.
///
/// # Panics
/// When there is no such process.
pub fn resident_bytes(pid: u32) -> u64 {
    memory_bytes(pid, "VmRSS:")
}

/// The most resident memory that a process has had, since its start or the last [`reset_peak`].
///
/// # Panics
/// When there is no such process.
pub fn peak_bytes(pid: u32) -> u64 {
    memory_bytes(pid, "VmHWM:")
}

/// Lets the peak of a process's memory begin anew.
///
/// # Panics
/// When there is no such process.
pub fn reset_peak(pid: u32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("reset the peak");
}

fn memory_bytes(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("read the process's status");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("it has the field");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Prints a measured figure beside its limit.
pub fn print_row(what: &str, measured: &str, limit: &str) {
    println!("{what:<56} {measured:<64} limit {limit}");
}
