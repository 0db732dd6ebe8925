//! A pool through every condition in which Redis refuses work, on each version of Redis that is there.

use std::path::Path;
use std::time::{Duration, Instant};

use fred::interfaces::KeysInterface;
use redis_core::{Connection, State};
use test_support::{FlakyProxy, Refusal, TestRedis, redis_versions};

use crate::checked;

type Pool = Connection<fred::clients::Pool>;

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_told_and_its_end_too_on_each_version_of_redis() {
    let versions = redis_versions();
    futures_util::future::join_all(versions.iter().map(|(name, binary)| run_matrix(name, binary))).await;
}

async fn run_matrix(name: &str, binary: &Path) {
    let mut redis = TestRedis::start_binary(binary, &[]).await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let pool = checked(&format!("redis://127.0.0.1:{}", proxy.port()));
    wait_for(&pool, "the start", &|state| state.is_ok()).await;
    for refusal in Refusal::all("HSET") {
        let what = format!("{name}, {refusal:?}");
        pool.client.set::<(), _, _>("acknowledged", &what, None, None, false).await.expect("a write");
        refusal.apply(&mut redis, &proxy).await;
        if let Some(reason) = refusal.reason() {
            let is_told = |state: &State| matches!(state, Err(text) if text.contains(reason));
            wait_for(&pool, &format!("{what}: {reason}"), &is_told).await;
        }
        refusal.lift(&mut redis, &proxy).await;
        wait_for(&pool, &format!("{what} is over"), &|state| state.is_ok()).await;
        let kept: String = pool.client.get("acknowledged").await.expect("a read");
        assert_eq!(kept, what);
    }
}

/// Waits for a state: 5 s at most, and twice as long on a busy machine.
async fn wait_for(pool: &Pool, what: &str, is_so: &(dyn Fn(&State) -> bool + Sync)) {
    let (mut states, started) = (pool.state.clone(), Instant::now());
    let reached = tokio::time::timeout(Duration::from_secs(10), states.wait_for(|state| is_so(state))).await;
    assert!(reached.is_ok(), "{what}: after 10 s the state is {:?}", pool.state.borrow());
    println!("{:>5} ms: {what}", started.elapsed().as_millis());
}
