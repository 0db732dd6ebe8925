//! Builds the parts and connects them. No other file knows them all.

use std::collections::HashSet;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chassis::{Lifecycle, Settings};
use parking_lot::Mutex;
use tracing::info;
use ws_chassis::{HttpFront, drain_time};
use ws_server::{Server, page};

use crate::config::Config;
use crate::endpoint::{Endpoint, ViewerOpener};
use crate::history_pages::HistoryPages;
use crate::history_reader::HistoryReader;
use crate::hub::Hub;
use crate::line::LineId;
use crate::metrics::Metrics;
use crate::position::StreamPosition;
use crate::preparer::Preparer;
use crate::recorder::{Recorder, RecorderGroup, RecorderQueues};
use crate::run_list::RunLists;
use crate::shard::ChannelPolicy;
use crate::sharded_subscriber::ShardedSubscriber;
use crate::store::Store;
use crate::subscriber::{LineRouter, Subscriber};
use crate::subscription_table::SubscriptionTable;
use crate::subscriptions::Subscriptions;

/// With history in Redis: how long the lines of a channel without viewers stay in memory. By then they are recorded.
const RECORDED_WITHIN: Duration = Duration::from_secs(15);

/// Runs the service until a signal or a failure ends it.
///
/// # Errors
/// When the service cannot start.
pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let lifecycle = Lifecycle::new(config.process());
    let App { listener, server } = App::build(&config, &lifecycle)?;
    let (stopping, drain) = (lifecycle.stopping(), drain_time(config.process()));
    lifecycle
        .spawn("server", async move { server.run(listener, stopping, drain).await.context("serve sockets") });
    Ok(lifecycle.run().await)
}

struct App {
    listener: TcpListener,
    server: Server<Endpoint>,
}

impl App {
    /// Builds the parts, binds the port, and starts everything but the server. Redis is connected to in the background.
    fn build(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let registry = chassis::metrics::registry(Config::SERVICE)?;
        let metrics = Metrics::new(&registry)?;
        let socket_metrics = ws_server::Metrics::register(&registry, "status_proxy")?;
        // Below 10^18, so that ids stay short.
        let instance = chassis::unique::instance_id() % 10u64.pow(18);
        let records = config.has_history_in_redis();
        let retention = config.retention();
        let redis = config.redis.in_the_only_database();
        let has_sharded_pubsub = config.has_sharded_pubsub();
        let (store, events) = Store::new(&redis, format!("{instance:x}"), records, has_sharded_pubsub)?;
        let store = Arc::new(store);
        let history = records.then(|| Arc::new(store.history(retention.age)));

        let idle_ttl = if records { RECORDED_WITHIN } else { retention.age };
        let policy = ChannelPolicy {
            retention,
            idle_ttl,
            receives_all: records,
            max_channels: config.max_channels(),
            max_bytes: config.history_total_size(),
        };
        let pages = history.clone().map(|history| Arc::new(HistoryPages::new(history)));
        let (hub, shards) = Hub::new(policy, pages.as_ref(), &metrics);
        for shard in shards {
            spawn(lifecycle, "shard", shard);
        }

        let readiness = lifecycle.readiness();
        let recorders = history.as_ref().map(|history| {
            let partitions = &store.partitions;
            let group = Arc::new(RecorderGroup::new(partitions.len(), metrics.clone()));
            tokio::spawn(readiness.gate("recording").follow(group.state()));
            let (queues, ends) = RecorderQueues::new(partitions.clone(), group.clone());
            for (partition, inputs) in partitions.iter().zip(ends) {
                let (history, partition) = (history.clone(), partition.clone());
                let recorder = Recorder::new(history, partition, retention, metrics.clone(), group.clone());
                spawn(lifecycle, "recorder", recorder.run(inputs));
            }
            queues
        });

        // With history in Redis the first epoch replaces this.
        let epoch = if records { 0 } else { instance };
        let position = StreamPosition { latest: LineId::start_of(epoch), ..StreamPosition::default() };
        let position = Arc::new(Mutex::new(position));
        let (subscriptions, commands) = Subscriptions::new();
        let table = SubscriptionTable::new(subscriptions.clone(), config.max_channels());
        let (limit, age) = (config.line_limit(), retention.age);
        let router = |recorders| {
            LineRouter::new(hub.clone(), metrics.clone(), recorders, position.clone(), limit, age)
        };
        let sharded = has_sharded_pubsub.then(|| {
            let (subscriptions, commands) = Subscriptions::new();
            let table = SubscriptionTable::new(subscriptions.clone(), config.max_channels());
            let (pubsub, events) = store.sharded_pubsub();
            tokio::spawn(readiness.gate("sharded subscription").follow(pubsub.state()));
            let (router, requested) = (router(None), HashSet::new());
            let subscriber = ShardedSubscriber { pubsub, events, table, router, requested };
            spawn(lifecycle, "sharded subscriber", subscriber.run(commands));
            subscriptions
        });
        let router = router(recorders);
        let subscriber = Subscriber::new(store.clone(), history, events, table, router, metrics);
        for (name, state) in [("subscription", subscriber.state()), ("redis", store.redis_state())] {
            tokio::spawn(readiness.gate(name).follow(state));
        }
        spawn(lifecycle, "subscriber", subscriber.run(commands));

        let listener = ws_chassis::listen(&config.process, &config.sockets)?;
        let probes = lifecycle.probes(registry);
        let subscribe_timeout = config.sockets.handshake_timeout;
        let scripts = [
            include_str!("../web/ansi.js"),
            include_str!("../web/line_list.js"),
            include_str!("../web/page.js"),
        ];
        let page = page::html(include_str!("../web/index.html"), &scripts);
        let front = HttpFront::new(&config.sockets, probes, page);
        front.reload_on_hangup(lifecycle, || Ok(chassis::settings::read_again::<Config>()?.sockets));
        let runs =
            if records { RunLists::recorded(store.recorded_runs()) } else { RunLists::live(hub.clone()) };
        let preparer = Arc::new(Preparer {
            hub,
            subscriptions,
            sharded,
            history: HistoryReader::new(pages, position, subscribe_timeout),
            subscribe_timeout,
            max_subscriptions: config.max_subscriptions_per_client(),
        });
        let opener = Arc::new(ViewerOpener { preparer, runs });
        let endpoint = Endpoint { front, opener };
        info!(%redis, "receiving status lines from {redis}");
        Ok(Self { listener, server: Server::new(config.socket_options(), socket_metrics, endpoint) })
    }
}

/// Runs a task that must not end before the process does. Its end before the stop is a failure. At the stop nobody waits
/// for it: it serves clients until the last socket is drained.
fn spawn(lifecycle: &Lifecycle, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let stopping = lifecycle.stopping();
    let task = tokio::spawn(task);
    lifecycle.spawn(name, async move {
        tokio::select! {
            ended = task => ended.with_context(|| format!("run the {name}")),
            () = stopping.cancelled() => Ok(()),
        }
    });
}
