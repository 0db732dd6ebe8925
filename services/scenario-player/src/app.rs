//! Wires the parts of the service: the one file that knows all the others.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context;
use chassis::{Lifecycle, Settings, http as chassis_http, metrics as chassis_metrics, probe::Probes};
use redis_core::connect;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::acker::Acker;
use crate::clock::Clock;
use crate::config::Config;
use crate::feed::Feed;
use crate::holdings::Holdings;
use crate::http::{self, Limits};
use crate::lanes::{Membership, View};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::mqtt::Link;
use crate::player::Player;
use crate::shop::Shop;
use crate::store::Store;
use crate::timeline::Timeline;

/// The service, bound and ready to be spawned.
pub struct App {
    config: Config,
    listener: TcpListener,
}

impl App {
    /// Binds the port.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn build(config: Config) -> anyhow::Result<Self> {
        let addr = &config.process.listen_addr;
        let listener = chassis_http::listen(addr).with_context(|| format!("listen on {addr}"))?;
        Ok(Self { config, listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Starts every task.
    ///
    /// # Errors
    /// When a part cannot be set up.
    pub fn spawn(self, lifecycle: &Lifecycle) -> anyhow::Result<()> {
        let Self { config, listener } = self;
        let (readiness, stopping) = (lifecycle.readiness(), lifecycle.stopping());
        let registry = chassis_metrics::registry(Config::SERVICE)?;
        let metrics = Metrics::new(&registry)?;
        let clock = Arc::new(Clock::new());
        let batch_size = usize::from(config.timeline.consume_batch_size);
        let batch = Arc::new(Semaphore::new(batch_size));
        // Publishing ends, then acknowledging, and only then the connections that they need.
        let finished = CancellationToken::new();
        let (active, active_view) = watch::channel(false);

        let (timeline, view, holdings) = if config.timeline.use_redis_backend {
            let pool = connect::pool(&config.redis)?;
            let subscriber = connect::subscriber(&config.redis)?;
            let store = Arc::new(Store::new(pool.client, subscriber.client.clone()));
            let (view, receiver) = watch::channel(Membership::initial_view());
            let holdings = Arc::new(Holdings::default());
            let gate = readiness.gate("redis");
            let until = finished.clone();
            lifecycle.spawn("redis", async move {
                tokio::select! {
                    () = gate.follow(pool.state) => anyhow::bail!("the redis client is gone"),
                    () = until.cancelled() => Ok(()),
                }
            });
            let membership = Membership {
                store: Arc::clone(&store),
                holdings: Arc::clone(&holdings),
                from: config.timeline.consume_from,
                view,
                active: active_view,
                finished: finished.clone(),
            };
            lifecycle.spawn("lanes", membership.run());
            let (listening, until) = (Arc::clone(&store), stopping.clone());
            lifecycle.spawn("hints", async move {
                tokio::select! {
                    ended = listening.listen(&subscriber) => ended,
                    () = until.cancelled() => Ok(()),
                }
            });
            (Timeline::Redis(store), receiver, holdings)
        } else {
            let (view, receiver) = watch::channel(View::all());
            let until = finished.clone();
            lifecycle.spawn("lanes", async move {
                // One instance has all lanes for as long as it lives.
                until.cancelled().await;
                drop((view, active_view));
                Ok(())
            });
            (Timeline::Memory(Arc::new(Memory::default())), receiver, Arc::new(Holdings::of_all_lanes()))
        };

        let (pages, page_receiver) = mpsc::channel(PAGES_AHEAD);
        let (recalls, recall_receiver) = mpsc::channel(1);
        let (published, published_receiver) = mpsc::unbounded_channel();
        let (sessions, session_receiver) = watch::channel(None);
        let (acks, ack_receiver) = mpsc::unbounded_channel();

        let instance = Arc::clone(&view.borrow().instance);
        let feed = Feed {
            timeline: timeline.clone(),
            clock: Arc::clone(&clock),
            holdings: Arc::clone(&holdings),
            instance: Arc::clone(&instance),
            view: view.clone(),
            active,
            pages,
            recalls,
            stopping: stopping.clone(),
        };
        lifecycle.spawn("feed", feed.run());
        let player = Player {
            topics: config.mqtt.topics(),
            clock: Arc::clone(&clock),
            instance,
            view: view.clone(),
            pages: page_receiver,
            recalls: recall_receiver,
            sessions: session_receiver,
            acks: ack_receiver,
            published,
            batch: Arc::clone(&batch),
            batch_size,
            metrics: metrics.clone(),
            stopping: stopping.clone(),
        };
        lifecycle.spawn("player", player.run());
        let acker = Acker {
            timeline: timeline.clone(),
            view,
            holdings,
            published: published_receiver,
            batch,
            metrics: metrics.clone(),
            finished: finished.clone(),
        };
        lifecycle.spawn("acker", acker.run());
        let link = Link {
            config: config.mqtt.target(),
            window: config.timeline.consume_batch_size,
            sessions,
            acks,
            gate: readiness.gate("mqtt"),
            finished,
        };
        lifecycle.spawn("mqtt", link.run());

        let overwrite = config.timeline.scenario_overwrite;
        let shop = Arc::new(Shop { timeline: timeline.clone(), clock, overwrite, metrics: metrics.clone() });
        lifecycle.spawn("loops", Arc::clone(&shop).keep_looping(stopping.clone()));
        let limits =
            Limits { body_bytes: config.timeline.max_body_bytes, steps: config.timeline.max_scenario_steps };
        let probes = chassis_http::probe_routes(Probes::new(readiness, registry));
        let routes = http::routes(shop, timeline, limits, metrics, stopping.clone());
        let all = move |service: &mut actix_web::web::ServiceConfig| {
            probes(service);
            routes(service);
        };
        lifecycle.spawn("http", chassis_http::serve(listener, all, stopping));
        Ok(())
    }
}

/// Pages that the feed may hand over before the player takes them.
const PAGES_AHEAD: usize = 2;
