use fred::clients::Client;
use fred::interfaces::ClientLike;

/// What deliveries at a rate have taken.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// From sending to arrival, in milliseconds, not exceeded by half of them.
    pub p50_ms: f64,
    /// Not exceeded by 99 of 100.
    pub p99_ms: f64,
    /// The sender's CPU for a delivery, in microseconds.
    pub cpu_us: f64,
}

impl Figures {
    /// Of deliveries that took so many microseconds each, and so much CPU in all.
    ///
    /// # Panics
    /// When there are none.
    pub fn from_latencies(mut latencies_us: Vec<u32>, cpu_seconds: f64) -> Self {
        latencies_us.sort_unstable();
        let at =
            |share: f64| f64::from(latencies_us[((latencies_us.len() - 1) as f64 * share) as usize]) / 1e3;
        Self { p50_ms: at(0.5), p99_ms: at(0.99), cpu_us: cpu_seconds * 1e6 / latencies_us.len() as f64 }
    }

    /// The median of several rounds, each figure by itself.
    ///
    /// # Panics
    /// When there are none.
    pub fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        Self { p50_ms: of(|r| r.p50_ms), p99_ms: of(|r| r.p99_ms), cpu_us: of(|r| r.cpu_us) }
    }
}

/// User and system time of a process so far.
///
/// # Panics
/// When there is no such process.
pub fn cpu_seconds(pid: u32) -> f64 {
    cpu_of(&format!("/proc/{pid}/stat"))
}

/// User and system time of the calling thread so far.
pub(super) fn thread_cpu_seconds() -> f64 {
    cpu_of("/proc/thread-self/stat")
}

/// A `stat` file counts in hundredths of a second.
fn cpu_of(path: &str) -> f64 {
    let stat = std::fs::read_to_string(path).expect("read the process's state");
    let (_, fields) = stat.rsplit_once(") ").expect("the state has a name");
    let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().expect("a time"));
    ticks.sum::<u64>() as f64 / 100.0
}

/// User and system time of a Redis so far.
///
/// # Panics
/// When it does not say.
pub async fn redis_cpu_seconds(redis: &Client) -> f64 {
    let text: String = redis.custom(fred::cmd!("INFO"), vec!["cpu"]).await.expect("ask Redis");
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("Redis says it");
        line.trim().parse::<f64>().expect("a number")
    };
    field("used_cpu_sys:") + field("used_cpu_user:")
}

/// The memory of a process that is really there.
///
/// # Panics
/// When there is no such process.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("read the process's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Prints one figure beside its limit.
pub fn print_row(what: &str, seen: &str, limit: &str) {
    println!("{what:<56} {seen:<64} limit {limit}");
}
