//! The clock is set forward and back under a running instance: that of Redis, and that of the process.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use test_support::{ServiceProcess, TestMosquitto, TestRedis, eventually};

use crate::support::{BINARY, Subscriber, get_json, now_ms, post, send, start_player, walk};

/// Sets the wall clock of the processes that preload it.
struct ClockShim {
    dir: TempDir,
}

impl ClockShim {
    fn build() -> Self {
        let shim = Self { dir: tempfile::tempdir().unwrap() };
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/clock_shim.c");
        let mut cc = std::process::Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(shim.library()).arg(source);
        assert!(cc.status().expect("run cc, which also links Rust").success());
        shim.set(0);
        shim
    }

    fn library(&self) -> PathBuf {
        self.dir.path().join("clock_shim.so")
    }

    fn offset_file(&self) -> PathBuf {
        self.dir.path().join("offset")
    }

    /// Sets the clock off by so many seconds.
    fn set(&self, seconds: i64) {
        // In one step: nobody reads half of it.
        let new = self.dir.path().join("new");
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(new, self.offset_file()).unwrap();
    }

    /// A redis-server with this clock.
    async fn start_redis(&self) -> TestRedis {
        let wrapper = self.dir.path().join("redis-server");
        let (library, offset) = (self.library(), self.offset_file());
        let script = format!(
            "#!/bin/sh\nexport LD_PRELOAD={} CLOCK_OFFSET_FILE={}\nexec redis-server \"$@\"\n",
            library.display(),
            offset.display()
        );
        std::fs::write(&wrapper, script).unwrap();
        std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o700)).unwrap();
        TestRedis::start_binary(&wrapper, &[]).await
    }
}

const HOUR_S: i64 = 3_600;

/// Posts three steps that are due now by the shifted clock, and waits until they have arrived.
async fn post_and_wait(player: &ServiceProcess, subscriber: &Subscriber, customer: &str, shift_s: i64) {
    post(player, &walk(customer, now_ms() + shift_s * 1000 + 200, 3, 100)).await;
    wait_for(subscriber, customer).await;
}

async fn wait_for(subscriber: &Subscriber, customer: &str) {
    wait_for_at_most(subscriber, customer, 8).await;
}

async fn wait_for_at_most(subscriber: &Subscriber, customer: &str, seconds: u64) {
    let started = Instant::now();
    eventually(&format!("the steps of {customer} have arrived"), async || {
        subscriber.walks().0.get(customer).is_some_and(|walk| *walk == [0, 1, 2])
    })
    .await;
    assert!(started.elapsed() < Duration::from_secs(seconds), "{customer}: {:?}", started.elapsed());
}

#[tokio::test]
async fn steps_are_played_whatever_the_clock_of_redis_is_set_to() {
    let clock = ClockShim::build();
    let (redis, mqtt) = (clock.start_redis().await, TestMosquitto::start().await);
    let subscriber = Subscriber::start(mqtt.port()).await;
    let player = start_player(redis.port(), mqtt.port(), &[]).await;
    player.wait_until_ready().await;
    play_through_steps(&clock, &player, &subscriber).await;
}

#[tokio::test]
async fn steps_in_memory_are_played_whatever_the_clock_is_set_to() {
    let clock = ClockShim::build();
    let mqtt = TestMosquitto::start().await;
    let subscriber = Subscriber::start(mqtt.port()).await;
    let (library, offset, port) = (clock.library(), clock.offset_file(), mqtt.port().to_string());
    let vars = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("CLOCK_OFFSET_FILE", offset.to_str().unwrap()),
        ("MQTT_HOST", "127.0.0.1"),
        ("MQTT_PORT", &port),
    ];
    let player = ServiceProcess::start(BINARY, &vars).await;
    player.wait_until_ready().await;
    play_through_steps(&clock, &player, &subscriber).await;
}

async fn play_through_steps(clock: &ClockShim, player: &ServiceProcess, subscriber: &Subscriber) {
    post_and_wait(player, subscriber, "before", 0).await;
    // Back below the start of the process.
    clock.set(-HOUR_S);
    post_and_wait(player, subscriber, "back", -HOUR_S).await;
    let recalculated = walk("recalculated", 1_618_389_615_513, 3, 100);
    let (status, _) = send(player, "POST", "/scenario?recalculate_time=true", &recalculated).await;
    assert_eq!(status, 200);
    wait_for(subscriber, "recalculated").await;
    // Due in half an hour, and in the past as soon as the clock is right again.
    post(player, &walk("later", now_ms() - HOUR_S * 500, 3, 100)).await;
    assert_eq!(get_json(player, "/timeline").await.as_array().unwrap().len(), 3);
    clock.set(0);
    // An idle instance looks at the clock of Redis every 20 s, and at its own every second.
    wait_for_at_most(subscriber, "later", 22).await;
    post_and_wait(player, subscriber, "right again", 0).await;
    clock.set(HOUR_S);
    post_and_wait(player, subscriber, "forward", HOUR_S).await;
    clock.set(-HOUR_S);
    post_and_wait(player, subscriber, "far back", -HOUR_S).await;
    // A step stays until the broker's acknowledgement has arrived.
    let is_empty = async || get_json(player, "/timeline").await == Value::Array(Vec::new());
    eventually("the timeline is empty", is_empty).await;
    assert_eq!(player.get("/ready").await.0, 200);
}
