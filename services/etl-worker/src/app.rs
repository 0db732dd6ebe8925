//! Wires the parts together: the one file that knows all of them.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use chassis::unique::instance_id;
use chassis::{Lifecycle, Settings, http, metrics};
use tracing::info;

use crate::check;
use crate::cleaner::Cleaner;
use crate::compact;
use crate::config::{Command, Config, DeadCommand, GameSettings};
use crate::dataset::Dataset;
use crate::dead_letters;
use crate::listener::Listener;
use crate::metrics::Metrics;
use crate::mount_watch::MountWatch;
use crate::output::Output;
use crate::output::folder::Folder;
use crate::page::{Page, ShownDataset};
use crate::recent_files::RecentFiles;
use crate::reconciler::{DeadLetterLimits, Reconciler};
use crate::stop::Stop;
use crate::store::{Cleanup, JobReader, Store, Subscription};
use crate::worker::{Pipeline, Worker, WorkerConfig};

/// Runs the command that was given, or a worker until a signal stops it.
///
/// # Errors
/// When the worker cannot start, or the command fails.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    match &config.command {
        None => run_worker(config).await,
        Some(command) => {
            run_command(&config, command).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn run_command(config: &Config, command: &Command) -> anyhow::Result<()> {
    let process = process_name();
    let consumer = consumer_name(config, &process);
    if let Command::Check { dataset, sample } = command {
        let store = match sample {
            Some(_) => Some(Store::connect_now(&config.redis, &consumer, dataset).await?),
            None => None,
        };
        return check::run(dataset, store.as_ref().zip(sample.as_ref()), io::stdout().lock()).await;
    }
    let mut stores = Vec::new();
    for dataset in &config.games.etl_dataset {
        stores.push(Store::connect_now(&config.redis, &consumer, dataset).await?);
    }
    match command {
        Command::Dead(DeadCommand::List) => dead_letters::list(&stores, io::stdout().lock()).await?,
        Command::Dead(DeadCommand::Retry { games }) => {
            println!("{} games will be tried again", dead_letters::retry(&stores, games).await?);
        }
        Command::Dead(DeadCommand::Drop { games, older_than }) => {
            println!("{} dead letters are dropped", dead_letters::drop(&stores, games, *older_than).await?);
        }
        Command::Compact { snapshot } => {
            let mut datasets = Vec::new();
            for store in stores {
                let output = Output::new(&config.output, &store.dataset().tables, &process).await?;
                datasets.push((store, output));
            }
            println!("{}", compact::run(&datasets, config.output.etl_codec, *snapshot).await?);
        }
        Command::Check { .. } => {}
    }
    Ok(())
}

async fn run_worker(config: Config) -> anyhow::Result<ExitCode> {
    let lifecycle = Lifecycle::new(&config.process);
    let registry = metrics::registry(Config::SERVICE)?;
    let metrics = Metrics::new(&registry)?;
    let server = http::Server::bind(&config.process, &config.http)?;
    let process = process_name();
    let mut datasets = Vec::new();
    for dataset in &config.games.etl_dataset {
        datasets.push(start_dataset(&config, dataset, &process, &metrics, &lifecycle).await?);
    }
    let page = Page { datasets: datasets.into(), can_change: config.http.operator_token.is_some() };
    if config.output.bucket().is_none()
        && let Some(dataset) = config.games.etl_dataset.first()
    {
        let folder = Folder::new(&config.output, &dataset.tables, &process);
        let watch = MountWatch { folder, gate: lifecycle.readiness().gate("mount") };
        lifecycle.spawn("mount", watch.run(lifecycle.stopping()));
    }
    let probes = lifecycle.probes(registry);
    let stopping = lifecycle.stopping();
    let probes = http::probe_routes(probes);
    let routes = move |routes: &mut ServiceConfig| {
        page.routes(routes);
        probes(routes);
    };
    lifecycle.spawn("http", server.run(routes, stopping));
    Ok(lifecycle.run().await)
}

/// Starts what writes a dataset, and returns what the page shows of it. Each has connections, jobs and gates of its own.
async fn start_dataset(
    config: &Config,
    dataset: &Arc<Dataset>,
    process: &str,
    metrics: &Metrics,
    lifecycle: &Lifecycle,
) -> anyhow::Result<ShownDataset> {
    let (readiness, stopping) = (lifecycle.readiness(), lifecycle.stopping());
    let consumer = consumer_name(config, process);
    let channels = config.games.channels(dataset);
    let (store, redis_state) = Store::connect(&config.redis, &consumer, dataset, channels)?;
    let (subscription, channel_state) = Subscription::connect(&store, channels)?;
    let (jobs, jobs_state) = JobReader::connect(store.clone());
    let output = Output::new(&config.output, &dataset.tables, process).await?;
    info!(
        logger = config.games.logger_module,
        "worker {consumer}: dataset {}, redis {}, channels {}, output {}",
        dataset.name,
        config.redis,
        channels.join(", "),
        config.output.etl_output
    );

    let is_only_one = config.games.etl_dataset.len() == 1;
    let gate = |name: &'static str| {
        // There is a handful of datasets, and they stay as long as the process.
        readiness.gate(if is_only_one { name } else { format!("{name}-{}", dataset.name).leak() })
    };
    let stop = Stop { stopping: stopping.clone(), redis: redis_state.clone() };
    for (gate, state) in
        [(gate("redis"), redis_state), (gate("channel"), channel_state), (gate("jobs"), jobs_state)]
    {
        tokio::spawn(gate.follow(state));
    }
    // The first look at Redis may be late, and alerts need a number.
    metrics.backlog.with_label_values(&[&dataset.name]).set(0);
    metrics.dead.with_label_values(&[&dataset.name]).set(0);
    let files = RecentFiles::default();
    let pipeline = Pipeline {
        config: worker_config(config, &consumer),
        store: store.clone(),
        output: output.clone(),
        metrics: metrics.clone(),
        files: files.clone(),
    };
    let worker = Worker { pipeline, jobs, gate: gate("output") };
    lifecycle.spawn("worker", worker.run(stop.clone()));
    let reconciler = Reconciler {
        store: store.clone(),
        output: output.clone(),
        settle: config.games.etl_settle,
        dead_letters: DeadLetterLimits {
            count: config.games.etl_dead_max,
            age: config.games.etl_dead_max_age,
        },
        metrics: metrics.clone(),
        gate: gate("keys"),
    };
    lifecycle.spawn("reconciler", reconciler.run(stopping.clone()));
    let cleanup = cleanup(config);
    if store.is_on_cluster() && cleanup.enabled {
        let cleaner = Cleaner { store: store.clone(), cleanup, lease: config.games.etl_lease };
        lifecycle.spawn("cleaner", cleaner.run(stopping));
    }
    let listener = Listener { store: store.clone(), subscription, metrics: metrics.clone() };
    lifecycle.spawn("listener", listener.run(stop));
    Ok(ShownDataset { store, files, output })
}

fn worker_config(config: &Config, consumer: &str) -> WorkerConfig {
    WorkerConfig {
        name: config.games.worker_name().into(),
        consumer: Arc::from(consumer),
        codec: config.output.etl_codec,
        layout: config.output.etl_layout,
        batch_games: config.output.etl_batch_games.into(),
        batch_wait: Duration::from_millis(config.output.etl_batch_ms.into()),
        lease: config.games.etl_lease,
        cleanup: cleanup(config),
    }
}

fn cleanup(config: &Config) -> Cleanup {
    let GameSettings { clean_routine, redis_expiry, etl_lease, .. } = &config.games;
    Cleanup { enabled: *clean_routine, expiry_s: *redis_expiry, delay: *etl_lease }
}

/// The name of this process among all, in names of staged files. No other process has it, now or later.
fn process_name() -> String {
    format!("{:016x}", instance_id())
}

/// The name of this process in the consumer group and in names of files of several games.
fn consumer_name(config: &Config, process: &str) -> String {
    format!("{}-{process}", config.games.worker_name())
}
