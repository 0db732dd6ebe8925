//! The script, an operation at a time, on a real Redis.

use std::sync::Arc;

use fred::interfaces::{HashesInterface, SortedSetsInterface};
use futures_util::future::join_all;
use redis_core::{Redis, WaitReplicas};
use test_support::TestRedis;

use super::super::operation::OnReply;
use super::super::record::{Record, encode_small_content};
use super::super::script_call::OPERATIONS_MAX;
use super::*;

struct Script {
    redis: Arc<TestRedis>,
    client: Client,
    sender: BatchSender,
    number: u64,
}

const UPLOAD: &str = "0123456789abcdef";

fn record(data: &[u8], upload: Option<&str>) -> Record {
    Record::new(blake3::hash(data).as_bytes(), upload, data.len(), b"md")
}

impl Script {
    async fn start() -> Self {
        Self::on(Arc::new(TestRedis::start().await), "00000000000000aa").await
    }

    /// The script as a node of this name sends it.
    async fn on(redis: Arc<TestRedis>, node: &str) -> Self {
        let client = redis.client().await;
        let connected = Redis::connected(&redis.url().parse().unwrap()).await.unwrap();
        let keyspace = Keyspace::new(connected, "p:");
        let sender =
            BatchSender::new(keyspace, 1, ScriptCaller::new(WaitReplicas::default(), "p:", node), node);
        Self { redis, client, sender, number: 0 }
    }

    async fn send(
        &mut self,
        number: u64,
        mode: SendMode,
        args: &[&[u8]],
        content: Option<Bytes>,
    ) -> Result<Vec<Bytes>, String> {
        let operation = Operation { content, ..Operation::new(args, OnReply::Ignore) };
        let batch = Batch { number, after: number - 1, operations: vec![operation] };
        let (_, replies) = self.sender.send(batch, mode).await;
        replies.map(|mut replies| replies.remove(0)).map_err(|error| error.details().to_owned())
    }

    /// Executes one operation. Returns the fields of its reply.
    async fn run(&mut self, args: &[&[u8]]) -> Vec<Bytes> {
        self.number += 1;
        self.send(self.number, SendMode::Alone, args, None).await.unwrap()
    }

    /// Stores a small object.
    async fn set(&mut self, id: &str, data: &[u8]) -> Vec<Bytes> {
        self.number += 1;
        let record = record(data, None);
        let args: [&[u8]; 3] = [b"set", id.as_bytes(), record.bytes()];
        self.send(self.number, SendMode::Alone, &args, Some(encode_small_content(data))).await.unwrap()
    }

    /// How many ids have a content.
    async fn refs(&self, data: &[u8]) -> Option<u64> {
        let key = [b"p:_meta:content:".as_slice(), blake3::hash(data).as_bytes()].concat();
        let content: Option<Bytes> = self.client.get(key.as_slice()).await.unwrap();
        content.map(|content| u64::from_be_bytes(*content.first_chunk().unwrap()))
    }

    async fn totals(&mut self) -> Vec<Bytes> {
        self.run(&[b"totals"]).await
    }
}

#[tokio::test]
async fn set_shares_equal_contents_and_delete_removes_one_with_its_last_id() {
    let mut script = Script::start().await;
    assert_eq!(script.set("0a", b"data").await, ["ok"]);
    assert_eq!(script.set("0a", b"data").await, ["ok"], "the same again changes nothing");
    assert_eq!(script.refs(b"data").await, Some(1));
    script.set("0b", b"data").await;
    assert_eq!(
        (script.refs(b"data").await, script.totals().await[1..].to_vec()),
        (Some(2), vec!["2".into(), "1".into(), Bytes::from("4")])
    );
    script.set("0a", b"other").await;
    assert_eq!((script.refs(b"data").await, script.refs(b"other").await), (Some(1), Some(1)));
    assert_eq!(script.run(&[b"delete", b"0b", b""]).await, ["ok"]);
    assert_eq!(script.run(&[b"delete", b"0b", b""]).await, ["absent"]);
    assert_eq!(script.refs(b"data").await, None);
    assert_eq!(script.totals().await, ["totals", "1", "1", "5"]);
}

#[tokio::test]
async fn stat_has_the_age_and_delete_keeps_what_is_younger() {
    let mut script = Script::start().await;
    assert_eq!(script.run(&[b"stat", b"0a"]).await, ["absent"]);
    script.set("0a", b"data").await;
    let stat = script.run(&[b"stat", b"0a"]).await;
    assert_eq!(stat[..3], ["stat", "4", "md"]);
    assert_eq!(script.run(&[b"delete", b"0a", b"1000"]).await, ["absent"]);
    let stored: u64 = script.client.hget("p:0a", "t").await.unwrap();
    let _: () = script.client.hset("p:0a", ("t", stored - 2000)).await.unwrap();
    assert!(script.run(&[b"stat", b"0a"]).await[3] >= "2000");
    assert_eq!(script.run(&[b"delete", b"0a", b"1000"]).await, ["ok"]);
    script.redis.admin("SET p:0b \u{2}\0\0\0xyoriginal").await;
    assert_eq!(script.run(&[b"stat", b"0b"]).await, ["stat", "8", "xy", ""]);
    assert_eq!(script.run(&[b"delete", b"0b", b"0"]).await, ["absent"], "its age is not known");
}

#[tokio::test]
async fn link_needs_the_chunks_and_keeps_them_from_expiring() {
    let mut script = Script::start().await;
    let data = [7; 10_000];
    let linked = record(&data, Some(UPLOAD));
    assert_eq!(script.run(&[b"link", b"0a", linked.bytes(), b"0"]).await, ["absent"]);
    assert_eq!(script.run(&[b"link", b"0a", linked.bytes(), b"1"]).await, ["absent"]);
    store_chunk(&script.client, format!("p:_meta:chunk:{UPLOAD}:0"), Bytes::copy_from_slice(&data))
        .await
        .unwrap();
    assert_eq!(script.run(&[b"link", b"0a", linked.bytes(), b"1"]).await, ["ok"]);
    let ttl: i64 = script.client.ttl(format!("p:_meta:chunk:{UPLOAD}:0")).await.unwrap();
    assert_eq!((ttl, script.refs(&data).await), (-1, Some(1)));
    assert_eq!(script.run(&[b"link", b"0b", linked.bytes(), b"0"]).await, ["ok"], "the content is known");
    let whole = script.run(&[b"get", b"0b", b"whole", b""]).await;
    assert!(whole[0] == "object" && whole[2] == data.as_slice());
    assert_eq!(script.run(&[b"get", b"0b", linked.bytes(), b""]).await, ["unchanged"]);
}

#[tokio::test]
async fn get_waits_and_set_returns_the_tickets_unless_the_wait_was_cancelled() {
    let mut script = Script::start().await;
    assert_eq!(script.run(&[b"get", b"0a", b"", b""]).await, ["absent"]);
    assert_eq!(script.run(&[b"get", b"0a", b"", b"7"]).await, ["absent"]);
    assert_eq!(script.run(&[b"get", b"0a", b"", b"8"]).await, ["absent"]);
    assert_eq!(script.run(&[b"cancel", b"0a", b"7", b""]).await, ["ok"]);
    assert_eq!(script.set("0a", b"data").await, ["ok", "8"]);
    let waiters: u64 = script.client.zcard("p:_meta:wait:0a").await.unwrap();
    assert_eq!(waiters, 0);
    let got = script.run(&[b"get", b"0a", b"", b""]).await;
    assert_eq!((&got[0], &got[2][32..]), (&Bytes::from("object"), b"data".as_slice()));
}

#[tokio::test]
async fn duplicate_shares_the_content_or_waits_and_refuse_tells_who_waits() {
    let mut script = Script::start().await;
    script.set("0a", b"data").await;
    assert_eq!(script.run(&[b"duplicate", b"0b", b"0a", b"1"]).await, ["ok"]);
    assert_eq!(script.refs(b"data").await, Some(2));
    assert_eq!(script.run(&[b"duplicate", b"0c", b"0d", b"2"]).await, ["absent"]);
    assert_eq!(script.set("0d", b"late").await, ["ok", "2"]);
    assert_eq!(script.refs(b"late").await, Some(2), "the duplicate was made");
    script.run(&[b"get", b"0e", b"", b"3"]).await;
    assert_eq!(script.run(&[b"refuse", b"0e"]).await, ["refused", "3"]);
    assert_eq!(script.run(&[b"get", b"0e", b"", b"4"]).await, ["refused"]);
    script.set("0e", b"after all").await;
    assert_eq!(script.run(&[b"get", b"0e", b"", b"5"]).await[0], "object");
}

#[tokio::test]
async fn a_request_of_another_node_gets_a_notification_until_it_was_read() {
    let mut script = Script::start().await;
    let mut other = Script::on(Arc::clone(&script.redis), "00000000000000bb").await;
    other.run(&[b"get", b"0a", b"", b"9"]).await;
    assert_eq!(script.set("0a", b"data").await, ["ok"]);
    let found = other.run(&[b"notifications", b"0"]).await;
    let notification = super::super::notification::Notification::parse(&found[1]).unwrap();
    assert_eq!(notification.woken.unwrap().tickets, [9]);
    let last = notification.number.to_string();
    assert_eq!(other.run(&[b"notifications", last.as_bytes()]).await, ["notifications"]);
}

#[tokio::test]
async fn a_duplicate_that_was_executed_is_not_executed_again_by_a_check_before_its_notification_was_read() {
    let mut script = Script::start().await;
    let mut other = Script::on(Arc::clone(&script.redis), "00000000000000bb").await;
    let check: [&[u8]; 4] = [b"recheck", b"0b", b"0a", b"9"];
    assert_eq!(other.run(&[b"duplicate", b"0b", b"0a", b"9"]).await, ["absent"]);
    assert_eq!(other.run(&check).await, ["absent"], "it still waits");
    script.set("0a", b"data").await;
    assert_eq!(script.run(&[b"delete", b"0b", b""]).await, ["ok"], "the duplicate was made");
    assert_eq!(other.run(&check).await, ["absent"]);
    assert_eq!(script.run(&[b"delete", b"0b", b""]).await, ["absent"], "it was not made again");
    let found = other.run(&[b"notifications", b"0"]).await;
    let notification = super::super::notification::Notification::parse(&found[1]).unwrap();
    other.run(&[b"notifications", notification.number.to_string().as_bytes()]).await;
    assert_eq!(
        other.run(&check).await[0],
        "ok",
        "nothing else will tell the node, if it still believes that it waits"
    );
}

#[tokio::test]
async fn a_content_that_is_copied_elsewhere_stays_until_it_is_released() {
    let mut script = Script::start().await;
    let (data, key) = ([7; 10_000], format!("p:_meta:chunk:{UPLOAD}:0"));
    let linked = record(&data, Some(UPLOAD));
    store_chunk(&script.client, key.clone(), Bytes::copy_from_slice(&data)).await.unwrap();
    // One waits for the original, the other comes later; both hold the content.
    assert_eq!(script.run(&[b"hold", b"0a", b"5"]).await, ["absent"]);
    assert_eq!(script.run(&[b"link", b"0a", linked.bytes(), b"1"]).await, ["ok", "5"]);
    for _ in 0..2 {
        let held = script.run(&[b"hold", b"0a", b"6"]).await;
        assert_eq!(held, [&Bytes::from("held"), linked.bytes()]);
    }
    assert_eq!(script.refs(&data).await, Some(3));
    assert_eq!(script.run(&[b"delete", b"0a", b""]).await, ["ok"]);
    assert_eq!(script.totals().await, ["totals", "0", "1", "10000"]);
    let hash = blake3::hash(&data);
    for ticket in [b"5", b"5"] {
        assert_eq!(script.run(&[b"release", ticket, hash.as_bytes()]).await, ["ok"]);
    }
    assert_eq!(script.refs(&data).await, Some(1), "the second release was of nothing");
    // The other node has died.
    let holds: Vec<Bytes> =
        script.client.zrange("p:_meta:holds", 0, -1, None, false, None, false).await.unwrap();
    let _: () =
        script.client.zadd("p:_meta:holds", None, None, false, false, (1.0, holds[0].clone())).await.unwrap();
    assert_eq!(script.totals().await, ["totals", "0", "0", "0"]);
    assert_eq!((script.refs(&data).await, script.client.exists::<u64, _>(key).await.unwrap()), (None, 0));

    // A small content is in the reply, and needs no hold.
    script.set("0b", b"data").await;
    let held = script.run(&[b"hold", b"0b", b"7"]).await;
    assert_eq!((&held[0], &held[2][32..]), (&Bytes::from("held"), b"data".as_slice()));
    assert_eq!(script.refs(b"data").await, Some(1));
    // Nobody waits for an original that was refused.
    assert_eq!(script.run(&[b"hold", b"0c", b"8"]).await, ["absent"]);
    assert_eq!(script.run(&[b"refuse", b"0c"]).await, ["refused", "8"]);
    assert_eq!(script.run(&[b"hold", b"0c", b"9"]).await, ["refused"]);
}

#[tokio::test]
async fn a_batch_is_executed_once_and_never_out_of_order() {
    let mut script = Script::start().await;
    script.set("0a", b"data").await;
    script.run(&[b"get", b"0b", b"", b"1"]).await;
    let small = encode_small_content(b"late");
    let late = record(b"late", None);
    let args: [&[u8]; 3] = [b"set", b"0b", late.bytes()];
    for _ in 0..2 {
        let replies = script.send(3, SendMode::Alone, &args, Some(small.clone())).await.unwrap();
        assert_eq!(replies, ["ok", "1"], "the reply is the same again");
    }
    assert_eq!(script.refs(b"late").await, Some(1));
    let early = script.send(5, SendMode::Follows, &[b"ping"], None).await.unwrap_err();
    assert!(early.starts_with("EARLY"), "{early}");
    let stale = script.send(1, SendMode::Alone, &[b"ping"], None).await.unwrap_err();
    assert!(stale.starts_with("STALE"), "{stale}");
    assert_eq!(script.send(4, SendMode::Follows, &[b"ping"], None).await.unwrap(), ["ok"]);
}

#[tokio::test]
async fn partitions_share_a_call_and_each_has_its_own_replies_counts_and_error() {
    let redis = Arc::new(TestRedis::start().await);
    let connected = Redis::connected(&redis.url().parse().unwrap()).await.unwrap();
    let caller = ScriptCaller::new(WaitReplicas::default(), "p:", "00000000000000aa");
    let mut senders = ["p:", "q:", "r:"].map(|prefix| {
        let keyspace = Keyspace::new(connected.clone(), prefix);
        BatchSender::new(keyspace, 3, caller.clone(), "00000000000000aa")
    });
    let set = |id: &'static [u8], data: &[u8]| {
        let operation = Operation::new(&[b"set", id, record(data, None).bytes()], OnReply::Ignore);
        Operation { content: Some(encode_small_content(data)), ..operation }
    };
    let operation = |args: &[&[u8]]| Operation::new(args, OnReply::Ignore);
    let mut send = async |number, mode, batches: [Vec<Operation>; 3]| {
        let before = calls(&redis).await;
        let batches = batches.map(|operations| Batch { number, after: number - 1, operations });
        let sent = senders.iter_mut().zip(batches).map(|(sender, batch)| sender.send(batch, mode));
        let results: Vec<_> = join_all(sent).await.into_iter().map(|(_, result)| result).collect();
        (results, calls(&redis).await - before)
    };
    // The script is loaded.
    send(1, SendMode::Alone, [vec![operation(&[b"ping"])], vec![], vec![]]).await;

    let batches = [
        vec![set(b"0a", b"data"), set(b"0b", b"more")],
        vec![set(b"0a", b"data"), operation(&[b"none"])],
        vec![set(b"0a", b"abc")],
    ];
    let (results, calls) = send(2, SendMode::Alone, batches).await;
    assert_eq!(calls, 1);
    assert_eq!(results[0].as_ref().unwrap(), &[["ok"], ["ok"]]);
    let error = results[1].as_ref().unwrap_err();
    assert_eq!(failed_operation(error), Some(1), "{error:?}");
    assert_eq!(results[2].as_ref().unwrap(), &[["ok"]]);

    let totals = || vec![operation(&[b"totals"])];
    let (results, calls) = send(3, SendMode::Alone, [totals(), totals(), totals()]).await;
    let results: Vec<_> = results.into_iter().map(|result| result.unwrap().remove(0)).collect();
    assert_eq!(calls, 1);
    assert_eq!(results, [["totals", "2", "2", "8"], ["totals", "1", "1", "4"], ["totals", "1", "1", "3"]]);

    let full = || (0..OPERATIONS_MAX).map(|_| operation(&[b"ping"])).collect::<Vec<_>>();
    let (results, calls) = send(4, SendMode::Alone, [full(), full(), full()]).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(calls, 3, "a call has no more operations than a batch may have");
}

/// How often the script was called.
async fn calls(redis: &TestRedis) -> u64 {
    let stats = redis.admin("INFO commandstats").await;
    let stats = stats.as_string().unwrap();
    let calls = stats.split_once("cmdstat_evalsha:calls=").and_then(|(_, rest)| rest.split_once(','));
    calls.map_or(0, |(calls, _)| calls.parse().unwrap())
}
