use std::io::Write;
use std::path::PathBuf;

/// The redis-servers that are there, with a name for messages: that of the `PATH`, and those that `REDIS_6_2`, `REDIS_8`
/// and `VALKEY` name, which `scripts/test.sh` installs and sets. For [`TestRedis::start_binary`](crate::TestRedis::start_binary).
///
/// Of one that is not there it says so on standard error, directly, because the test framework hides what a passing test
/// prints.
#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
pub fn redis_versions() -> Vec<(&'static str, PathBuf)> {
    let mut versions = vec![("redis-server of the PATH", PathBuf::from("redis-server"))];
    for name in ["REDIS_6_2", "REDIS_8", "VALKEY"] {
        match std::env::var_os(name).map(PathBuf::from).filter(|path| path.exists()) {
            Some(path) => versions.push((name, path)),
            None => {
                // Not being able to say it does no harm.
                let _ = writeln!(std::io::stderr(), "NOT RUN: a test with the redis-server of {name}");
            }
        }
    }
    versions
}
