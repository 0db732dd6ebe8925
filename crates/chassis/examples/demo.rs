//! The smallest service: what a process is without a purpose. The tests of this crate run it.

use std::process::ExitCode;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use chassis::http::HttpSettings;
use chassis::{Lifecycle, ProcessSettings, Service, SettingError, Settings, http, metrics, settings};
use tracing::{error, info};

#[derive(clap::Parser)]
#[command(about = "A service without a purpose")]
struct Config {
    #[command(flatten)]
    process: ProcessSettings,
    #[command(flatten)]
    http: HttpSettings,
    /// A secret that must be given
    #[arg(long, env = "REDIS_PASSWORD", hide_env_values = true)]
    redis_password: String,
    /// Another secret
    #[arg(long, env = "_TOKEN_KEY", hide_env_values = true)]
    token_key: Option<String>,
    /// What it does until it is stopped
    #[arg(long, env = "_WORK", default_value = "none", value_enum)]
    work: Work,
    /// The largest number of connections
    #[arg(long, env = "_MAX_CONNECTIONS", default_value_t = 10)]
    max_connections: usize,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Work {
    /// Nothing.
    None,
    /// A call that blocks for a minute on a thread of its own.
    Block,
    /// When the drain begins, calls that never yield, on each thread of the runtime.
    Spin,
    /// A destructor that blocks for a minute, after all tasks have ended.
    CleanUp,
    /// A log that is written without end.
    Chatter,
    /// A task that fails.
    Fail,
    /// A task that panics.
    Panic,
}

impl Settings for Config {
    const SERVICE: Service =
        Service { name: "demo", version: "1.2.3", prefix: "DEMO_", defaults: &[("LISTEN_ADDR", ":0")] };
    fn process(&self) -> &ProcessSettings {
        &self.process
    }
    fn check(&self) -> Result<(), SettingError> {
        if self.redis_password == "1234" {
            return Err(SettingError::new("REDIS_PASSWORD", "must be a better one"));
        }
        Ok(())
    }
    fn max_connections(&self) -> Option<usize> {
        Some(self.max_connections)
    }
}

fn main() -> ExitCode {
    let config: Config = settings::from_env();
    chassis::run(config, run)
}

async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let lifecycle = Lifecycle::new(&config.process);
    let probes = lifecycle.probes(metrics::registry(Config::SERVICE)?);
    let server = http::Server::bind(&config.process, &config.http)?;
    let probes = http::probe_routes(probes);
    let routes = move |routes: &mut ServiceConfig| {
        routes.route("/greetings/{number}", web::get().to(greet));
        probes(routes);
    };
    lifecycle.spawn("http", server.run(routes, lifecycle.stopping()));
    info!("the password has {} letters", config.redis_password.len());
    if config.token_key.is_some() {
        lifecycle.on_reload("the token key", || {
            let key = settings::read_again::<Config>()?.token_key.unwrap_or_default();
            info!("the token key has {} letters", key.len());
            Ok(())
        });
    }
    let _clean_up = start(config.work, &lifecycle);
    Ok(lifecycle.run().await)
}

async fn greet(number: web::Path<u32>) -> &'static str {
    info!("greeted {number}");
    "hello\n"
}

fn start(work: Work, lifecycle: &Lifecycle) -> Option<SlowToDrop> {
    let draining = lifecycle.draining();
    match work {
        Work::None => {}
        Work::Block => lifecycle.spawn("block", async { Ok(tokio::task::spawn_blocking(block).await?) }),
        Work::Spin => {
            for _ in 0..tokio::runtime::Handle::current().metrics().num_workers() {
                let draining = draining.clone();
                lifecycle.spawn("spin", async move {
                    draining.cancelled().await;
                    block();
                    Ok(())
                });
            }
        }
        Work::Chatter => lifecycle.spawn("chatter", async {
            loop {
                info!("and so on");
                tokio::task::yield_now().await;
            }
        }),
        Work::CleanUp => return Some(SlowToDrop),
        Work::Fail => lifecycle.spawn("fail", async { anyhow::bail!("out of luck") }),
        Work::Panic => lifecycle.spawn("panic", async {
            error!("about to panic\nERROR forged");
            panic!("out of luck")
        }),
    }
    None
}

struct SlowToDrop;

impl Drop for SlowToDrop {
    fn drop(&mut self) {
        block();
    }
}

fn block() {
    std::thread::sleep(Duration::from_secs(60));
}
