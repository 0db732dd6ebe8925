//! What anybody can do who may connect: nothing of it stays, and nobody else notices.

use std::time::{Duration, Instant};

use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::Value;
use futures_util::future::join_all;
use futures_util::stream;
use futures_util::{SinkExt, StreamExt};
use test_support::eventually;
use test_support::load::resident_bytes;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{NOTIFICATIONS, TestEnv, Viewer, is_full_size, start};

/// The status with which a run is refused; 101 if it is not.
async fn status(env: &TestEnv, run: &str) -> u16 {
    match Viewer::connect(&env.service, &format!("/{run}")).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{run}: {other}"),
    }
}

#[tokio::test]
async fn sockets_opened_and_closed_over_run_ids_that_do_not_exist_leave_nothing() {
    // At full size the viewer is not read from, and so answers no ping, for longer than it may usually be silent.
    let env = TestEnv::start(&[("PREFLIGHT_MAX_RUNS", "400"), ("PREFLIGHT_PONG_TIMEOUT", "1h")]).await;
    env.set("run", "timestamps:a", 1).await;
    let mut viewer = env.watch("run").await;
    viewer.read_until_modified(1).await;
    let count = if is_full_size() { 100_000 } else { 2_000 };
    // Warm up: what the process keeps for any number of sockets.
    let env = &env;
    let open =
        |number: usize| async move { status(env, &format!("junk-{number}-{}", "x".repeat(200))).await };
    stream::iter(0..200).map(open).buffer_unordered(20).collect::<Vec<_>>().await;
    let before = resident_bytes(env.service.pid());
    let statuses: Vec<u16> = stream::iter(0..count).map(open).buffer_unordered(20).collect().await;
    let refused = statuses.iter().filter(|status| **status == 503).count();
    println!("{count} sockets, {refused} refused because 400 runs were watched");
    assert!(statuses.iter().all(|status| [101, 503].contains(status)));
    // A run without viewers that exists is kept for 10 s; these are not.
    let closed = Instant::now();
    eventually("their runs are forgotten", async || env.service.metric("preflight_runs").await == 1.0).await;
    env.wait_until_subscribed(1).await;
    assert!(closed.elapsed() < Duration::from_secs(5), "{:?}", closed.elapsed());
    let grown = resident_bytes(env.service.pid()).saturating_sub(before);
    // It does not grow with their number; what it needs at once, the allocator keeps.
    assert!(grown < 16_000_000, "{grown} bytes");
    env.set("run", "timestamps:a", 2).await;
    viewer.read_until_modified(2).await;
}

#[tokio::test]
async fn a_socket_that_asks_for_runs_faster_than_they_are_read_is_closed_and_others_notice_nothing() {
    let env = TestEnv::start(&[("PREFLIGHT_PONG_TIMEOUT", "1h")]).await;
    let mut viewer = env.watch("run").await;
    let (mut requests, mut answers) = env.watch("flood").await.0.split();
    let closed = tokio::spawn(async move {
        loop {
            match answers.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| u16::from(frame.code)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    });
    'flood: for round in 0.. {
        for number in 0..200 {
            for kind in ["subscribe", "unsubscribe"] {
                let text = format!(r#"{{"type":"{kind}","run":"junk-{round}-{number}"}}"#);
                if closed.is_finished() || requests.feed(Message::text(text)).await.is_err() {
                    break 'flood;
                }
            }
        }
        let _ = requests.flush().await;
    }
    assert_eq!(closed.await.unwrap(), Some(1008));
    assert_eq!(status(&env, "another").await, 101);
    env.set("run", "timestamps:a", 1).await;
    viewer.read_until_modified(1).await;
    eventually("nothing of it stays", async || env.service.metric("preflight_runs").await <= 2.0).await;
}

#[tokio::test]
async fn no_more_runs_are_watched_than_the_setting_allows_and_those_that_are_go_on() {
    let env = TestEnv::start(&[("PREFLIGHT_MAX_RUNS", "5")]).await;
    let mut viewers = Vec::new();
    for number in 0..5 {
        viewers.push(env.watch(&format!("run-{number}")).await);
    }
    assert_eq!(status(&env, "one-more").await, 503);
    assert_eq!(status(&env, "run-0").await, 101, "another viewer of a run that is watched");
    for (number, viewer) in viewers.iter_mut().enumerate() {
        env.set(&format!("run-{number}"), "timestamps:a", 7).await;
        viewer.read_until_modified(7).await;
    }
    viewers.truncate(4);
    // That run exists, so that it is kept for a moment. Then there is a place for another one.
    eventually("a run is forgotten", async || status(&env, "one-more").await == 101).await;
}

#[tokio::test]
async fn a_giant_run_stalls_neither_redis_nor_its_neighbours_and_is_refused() {
    let env = TestEnv::start(&[]).await;
    let fill = "for n = 1, 500000 do redis.call('HSET', KEYS[1], 'timestamps:a' .. n, n) end";
    env.producer("giant").eval::<(), _, _, _>(fill, vec!["giant"], Vec::<String>::new()).await.unwrap();
    // On a busy machine the script itself stalls Redis for seconds.
    env.service.wait_until_ready().await;
    env.redis.admin("CONFIG SET slowlog-log-slower-than 20000").await;
    env.redis.admin("SLOWLOG RESET").await;
    let before = resident_bytes(env.service.pid());
    let (mut neighbour, mut grows) = (env.watch("neighbour").await, env.watch("grows").await);
    for viewer in [&mut neighbour, &mut grows] {
        viewer.next_text().await;
    }
    let refused = join_all((0..20).map(|_| status(&env, "giant"))).await;
    assert_eq!(refused, [413; 20]);
    // An open socket whose run becomes too large is told why it ends.
    env.producer("giant").custom::<(), _>(fred::cmd!("RENAME"), vec!["giant", "grows"]).await.unwrap();
    assert_eq!(grows.close_code().await, 4413);
    env.set("neighbour", "timestamps:a", 1).await;
    neighbour.read_until_modified(1).await;
    // A busy machine interrupts some commands for a while. Read in one go, the run takes Redis some hundreds of ms.
    let slow: Vec<Vec<Value>> = env.redis.admin("SLOWLOG GET 100").await.convert().unwrap();
    assert!(slow.len() <= 5, "{slow:?}");
    assert!(slow.iter().all(|entry| entry[2].as_u64().unwrap() < 150_000), "{slow:?}");
    let grown = resident_bytes(env.service.pid()).saturating_sub(before);
    assert!(grown < 20_000_000, "{grown} bytes");
    // It costs no more reads once nobody asks for it.
    eventually("it is forgotten", async || env.service.metric("preflight_runs").await == 1.0).await;
    assert!(env.service.log().contains("the run is too large"));
    // Deleting it in one go would be what stalls Redis.
    env.redis.admin("UNLINK grows").await;
    env.set("grows", "timestamps:a", 7).await;
    env.watch("grows").await.read_until_modified(7).await;
}

#[tokio::test]
async fn a_large_run_within_the_limit_is_read_in_parts_and_shown_whole() {
    let env = TestEnv::start(&[]).await;
    let fill = "for n = 1, 20000 do redis.call('HSET', KEYS[1], 'locked:a' .. n, 'true') end";
    env.producer("large").eval::<(), _, _, _>(fill, vec!["large"], Vec::<String>::new()).await.unwrap();
    env.set("large", "timestamps:a", 7).await;
    let checklist = env.watch("large").await.read_until_modified(7).await;
    let locks = checklist["lock_statuses"].as_object().unwrap();
    assert_eq!(locks.values().filter(|locked| **locked == true).count(), 20_000);
    assert!(env.read_count().await >= 20, "it is not read in one go");
}

/// What Redis allows the service: runs and channels that begin with `open`, and what it needs itself.
const OPEN: &str = "&__keyspace@0__:open* &__keyspace@0__:preflight:canary:*";
const CASES: [(&str, &str, &str); 2] =
    [("channels", "~*", OPEN), ("keys", "~open* ~preflight:canary:* ~backplane:check", "&*")];

#[tokio::test]
async fn a_viewer_of_a_forbidden_run_gets_403_and_nobody_else_notices() {
    join_all(CASES.map(async |(what, keys, channels)| {
        let mut env = TestEnv::start_with(&NOTIFICATIONS, &[]).await;
        let rules = format!("ACL SETUSER app on >SECRET +@all {keys} resetchannels {channels}");
        env.redis.admin(&rules).await;
        let url = format!("redis://app:SECRET@127.0.0.1:{}", env.redis.port());
        env.service = start(&url, &[("PREFLIGHT_RECHECK_INTERVAL", "1h")]).await;
        env.service.wait_until_ready().await;
        let mut viewers = join_all((0..10).map(|n| env.watch_named(format!("open-{n}")))).await;
        for round in 1..=5 {
            // Refusals and subscriptions meet on one connection: no reply is taken for that of another command.
            let forbidden = (0..10).map(async |n| status(&env, &format!("closed-{round}-{n}")).await);
            let opened = (0..10).map(|n| env.watch_named(format!("open-{round}-{n}")));
            let (statuses, opened) = tokio::join!(join_all(forbidden), join_all(opened));
            assert_eq!(statuses, [403; 10], "{what}");
            viewers.extend(opened);
            for (run, viewer) in &mut viewers {
                env.set(run, "timestamps:a", round).await;
                viewer.read_until_modified(round).await;
            }
        }
        assert_eq!(env.service.get("/ready").await.1, r#"{"ready":true}"#, "{what}");
        // Nobody waits for these runs any more, so they are not asked for.
        eventually("they are forgotten", async || env.service.metric("preflight_runs").await == 60.0).await;
        let failures = env.service.metric("preflight_read_failures_total").await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(env.service.metric("preflight_read_failures_total").await, failures, "{what}");
        let lines = env.service.log().lines().filter(|line| line.contains("cannot be watched")).count();
        assert_eq!(lines, 1, "{what}: one line a minute");
    }))
    .await;
}

#[tokio::test]
async fn a_run_that_becomes_forbidden_ends_its_own_sockets_only() {
    let env = TestEnv::start(&[]).await;
    let (mut open, mut closed) = (env.watch("open").await, env.watch("closed").await);
    for viewer in [&mut open, &mut closed] {
        viewer.next_text().await;
    }
    let user: Value = env
        .producer("run")
        .custom(
            fred::cmd!("ACL"),
            ["SETUSER", "default", "resetkeys", "~open*", "~preflight:canary:*", "~backplane:check"].to_vec(),
        )
        .await
        .unwrap();
    assert_eq!(user.as_str().as_deref(), Some("OK"));
    // A change that the service cannot read.
    env.redis.admin("ACL SETUSER app on >SECRET ~* &* +@all").await;
    let other = redis_as(&env, "app").await;
    fred::interfaces::HashesInterface::hset::<(), _, _>(&other, "closed", ("timestamps:a", "1"))
        .await
        .unwrap();
    assert_eq!(closed.close_code().await, 4403);
    env.set("open", "timestamps:a", 1).await;
    open.read_until_modified(1).await;
}

async fn redis_as(env: &TestEnv, user: &str) -> fred::clients::Client {
    let url = format!("redis://{user}:SECRET@127.0.0.1:{}", env.redis.port());
    let client = fred::types::Builder::from_config(fred::types::config::Config::from_url(&url).unwrap())
        .build()
        .unwrap();
    client.init().await.unwrap();
    client
}
