//! The end of a test that hangs.

use std::cell::OnceCell;
use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long a test may take. The longest one takes some minutes on a busy machine.
const LIMIT: Duration = Duration::from_secs(600);

thread_local! {
    /// Dropped when the thread ends, and with it the test, since each test has a thread of its own.
    static WATCH: OnceCell<Sender<()>> = const { OnceCell::new() };
}

/// Aborts the process with the name of the test of this thread if that has not ended after some minutes. Otherwise nobody
/// would know which one hangs. Tests at full size (`…_TEST_FULL=1`) may take hours.
pub(crate) fn limit_test() {
    WATCH.with(|watch| {
        watch.get_or_init(|| {
            let (sender, ended) = channel();
            let name = std::thread::current().name().unwrap_or("main").to_owned();
            if is_test(&name) && !is_full_size() {
                std::thread::spawn(move || {
                    if ended.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                        let told =
                            format!("\n{name} has not ended after {LIMIT:?}: the process is aborted\n");
                        // The test framework captures what `eprintln!` writes.
                        let _ = std::io::stderr().write_all(told.as_bytes());
                        std::process::abort();
                    }
                });
            }
            sender
        });
    });
}

/// Other threads are those of a benchmark, or tokio's.
fn is_test(thread: &str) -> bool {
    thread != "main" && !thread.starts_with("tokio-")
}

fn is_full_size() -> bool {
    std::env::vars().any(|(name, value)| name.ends_with("_TEST_FULL") && value == "1")
}
