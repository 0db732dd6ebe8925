//! A value of each wrong type in the place of each key, and garbage in each collection: it costs its own requests, and
//! nobody else loses anything or waits.

use std::time::{Duration, Instant};

use fred::prelude::Client as Commands;
use fred::types::{ClusterHash, CustomCommand, Value};
use test_support::{TestRedis, eventually};

use crate::client::{Client, DELETED, DUPLICATED, GOT, NOT_EXISTS, Node, SET, id, size};

/// Commands that put a value of each type under a key, without it.
const TYPES: [&[&str]; 6] = [
    &["SET", "garbage"],
    &["RPUSH", "garbage"],
    &["SADD", "garbage"],
    &["ZADD", "1", "garbage"],
    &["HSET", "garbage", "1"],
    &["XADD", "*", "garbage", "1"],
];
/// The object whose keys are damaged.
const DAMAGED: u64 = 7;

struct World {
    _redis: TestRedis,
    commands: Commands,
    here: Node,
    there: Node,
    /// Clients of one node and of the other.
    one: Client,
    two: Client,
    next: u64,
}

impl World {
    async fn new() -> Self {
        let redis = TestRedis::start().await;
        let (here, there) = (Node::redis(&redis).await, Node::redis(&redis).await);
        let (one, two) = (Client::connect(here.port, "one").await, Client::connect(there.port, "two").await);
        let commands = redis.client().await;
        Self { _redis: redis, commands, here, there, one, two, next: 1_000 }
    }

    async fn run(&self, command: &[&[u8]]) -> Value {
        use fred::interfaces::ClientLike;
        let name = CustomCommand::new(std::str::from_utf8(command[0]).unwrap(), ClusterHash::FirstKey, false);
        let args: Vec<Value> = command[1..].iter().map(|arg| Value::Bytes(arg.to_vec().into())).collect();
        self.commands.custom(name, args).await.unwrap()
    }

    /// Puts a value in the place of a key, at once: a node may write the key at any time.
    async fn replace(&self, key: &str, value: &[&str]) {
        let script = b"redis.call('DEL', KEYS[1]) redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))";
        let value = value.iter().map(|word| word.as_bytes());
        let command: Vec<&[u8]> =
            [b"EVAL", &script[..], b"1", key.as_bytes()].into_iter().chain(value).collect();
        self.run(&command).await;
    }

    /// The keys that begin so.
    async fn keys(&self, start: &str) -> Vec<String> {
        let keys = self.run(&[b"KEYS", format!("{start}*").as_bytes()]).await.into_array();
        keys.into_iter().map(|key| key.into_string().unwrap()).collect()
    }

    /// What others do: all of it works, and at once. Some of it is about many chunks, some about the other node.
    async fn neighbours_lose_nothing(&mut self, what: &str) {
        let began = Instant::now();
        let n = self.next;
        self.next += 10;
        let waiting = self.two.send_get(&id(n)).await;
        let waiting_here = self.one.send_duplicate(&id(n + 1), &id(n)).await;
        eventually("it waits", async || {
            self.here.info("pending_request_count").await + self.there.info("pending_request_count").await
                == 2
        })
        .await;
        let small = n.to_be_bytes();
        let set = self.one.send_set(&id(n), &small).await;
        assert_eq!(self.two.receive_response_to(waiting).await.payload, small, "{what}");
        let mut kinds = [self.one.receive().await, self.one.receive().await];
        kinds.sort_by_key(|response| response.request_id);
        assert_eq!((kinds[0].request_id, kinds[0].kind), (waiting_here, DUPLICATED), "{what}");
        assert_eq!((kinds[1].request_id, kinds[1].kind), (set, SET), "{what}");
        for (n, length) in [(n + 2, 30_000), (n + 3, 2_500_000)] {
            let data: Vec<u8> = (0..length).map(|index: u64| (index % 251 + n) as u8).collect();
            assert_eq!(self.two.set(&id(n), &data).await, SET, "{what}");
            assert!(self.one.get(&id(n)).await == data, "{what}");
        }
        assert_eq!(self.one.duplicate(&id(n + 4), &id(n + 1)).await, DUPLICATED, "{what}");
        assert_eq!(self.two.get(&id(n + 4)).await, small, "{what}");
        for n in n..n + 5 {
            assert_eq!(self.one.delete(&id(n)).await, DELETED, "{what}");
        }
        self.two.totals().await;
        assert!(began.elapsed() < Duration::from_secs(4), "{what}: neighbours waited {:?}", began.elapsed());
        assert_eq!(self.here.process.get("/ready").await.0, 200, "{what}");
    }

    /// As [`World::neighbours_lose_nothing`], while this request of the first client is under way. It is answered so.
    async fn neighbours_lose_nothing_behind(&mut self, request: u64, kind: u16, what: &str) {
        let response = self.one.receive_response_to(request).await;
        assert_eq!(response.kind, kind, "{what}");
        self.neighbours_lose_nothing(what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_has_something_else_costs_its_own_requests() {
    let mut world = World::new().await;
    let key = format!("scaler:obj:{}", id(DAMAGED));
    let record = format!("{}{}", "r".repeat(48), "\u{1}".repeat(8));
    let missing = format!("{}----------------\0\0\0\0\0\0\0\u{5}", "r".repeat(32));
    let chunks = format!("{}0123456789abcdef\0\0\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}", "r".repeat(32));
    let mut values: Vec<Vec<&str>> =
        TYPES.iter().filter(|value| value[0] != "HSET").map(|v| v.to_vec()).collect();
    values.extend([vec!["SET", ""], vec!["SET", "\u{7f}\u{7f}\u{7f}\u{7f}and no more"]]);
    values.extend(["", "short", &record, &missing, &chunks].map(|record| vec!["HSET", "o", record]));
    for value in values {
        let what = format!("{value:?}");
        world.replace(&key, &value).await;
        let get = world.one.send_get(&id(DAMAGED)).await;
        world.neighbours_lose_nothing_behind(get, NOT_EXISTS, &what).await;
        let copy = world.one.send_duplicate(&id(DAMAGED + 1), &id(DAMAGED)).await;
        world.neighbours_lose_nothing_behind(copy, NOT_EXISTS, &what).await;
        let url = format!("{}/objects/{}", world.here.process.base_url(), id(DAMAGED));
        // Whose content is missing is lost, and goes.
        let is_lost = value == ["HSET", "o", &missing] || value == ["HSET", "o", &chunks];
        let expected = if is_lost { 404 } else { 500 };
        assert_eq!(reqwest::get(&url).await.unwrap().status(), expected, "{what}");
        // Who stores or deletes it ends this.
        assert_eq!(world.one.set(&id(DAMAGED), b"again").await, SET, "{what}");
        assert_eq!(world.two.get(&id(DAMAGED)).await, b"again", "{what}");
        world.replace(&key, &value).await;
        assert_eq!(world.one.delete(&id(DAMAGED)).await, DELETED, "{what}");
        assert_eq!(world.one.delete(&id(DAMAGED)).await, NOT_EXISTS, "{what}");
    }
    let told = world.here.process.log().matches("is damaged, requests for it are refused").count();
    assert_eq!(told, 1, "one line for one object");
    assert!(world.here.process.metric("object_store_refused_total").await > 20.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_that_is_damaged_costs_its_own_objects_until_it_is_stored_again() {
    let mut world = World::new().await;
    let mut row = 0;
    for length in [100, 30_000, 2_500_000] {
        let start = if length > 8192 { "scaler:obj:_meta:chunk:" } else { "scaler:obj:_meta:content:" };
        let mut values: Vec<Vec<&str>> = TYPES.iter().map(|value| value.to_vec()).collect();
        values.push(vec![]);
        for value in values {
            let what = format!("{length} bytes, {value:?}");
            row += 1;
            let data = vec![row; length];
            assert_eq!(world.one.set(&id(DAMAGED), &data).await, SET);
            // The key of a content has raw bytes, so a script replaces it.
            let command = value.iter().map(|word| format!("'{word}',")).collect::<Vec<_>>();
            let call = match command.split_first() {
                Some((name, rest)) => {
                    format!("redis.call({name} key, {})", rest.concat().trim_end_matches(','))
                }
                None => String::new(),
            };
            let script = format!(
                "for _, key in ipairs(redis.call('KEYS', '{start}*')) do redis.call('DEL', key) {call} end"
            );
            world.run(&[b"EVAL", script.as_bytes(), b"0"]).await;
            let get = world.two.send_get(&id(DAMAGED)).await;
            assert_eq!(world.two.receive_response_to(get).await.kind, NOT_EXISTS, "{what}");
            world.neighbours_lose_nothing(&what).await;
            assert_eq!(world.one.set(&id(DAMAGED), &data).await, SET, "{what}");
            assert_eq!(world.one.set(&id(DAMAGED + 1), &data).await, SET, "{what}");
            // Only the other node has not got it in its cache.
            let get = world.two.send_get(&id(DAMAGED)).await;
            let response = world.two.receive_response_to(get).await;
            assert!((response.kind, response.payload) == (GOT, data.clone()), "{what}");
            for n in [DAMAGED, DAMAGED + 1] {
                assert_eq!(world.one.delete(&id(n)).await, DELETED, "{what}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_stores_own_that_is_damaged_is_replaced() {
    let mut world = World::new().await;
    world.neighbours_lose_nothing("at first").await;
    let node = |key: &String| key.rsplit(':').next().unwrap().to_owned();
    let nodes: Vec<String> = world.keys("scaler:obj:_meta:alive:").await.iter().map(node).collect();
    let mut keys =
        vec!["stats".to_owned(), "total_size".to_owned(), "garbage".to_owned(), "waited".to_owned()];
    for node in &nodes {
        keys.extend(["batch", "mail", "alive"].map(|name| format!("{name}:{node}")));
    }
    for (n, key) in keys.iter().enumerate() {
        for value in TYPES.iter().cycle().skip(n).take(size(2, TYPES.len())) {
            world.replace(&format!("scaler:obj:_meta:{key}"), value).await;
            world.neighbours_lose_nothing(&format!("{key} is {value:?}")).await;
        }
    }
    // Of an object for which requests will wait.
    for value in TYPES {
        let key = format!("scaler:obj:_meta:wait:{}", id(world.next));
        world.replace(&key, value).await;
        world.neighbours_lose_nothing(&format!("{key} is {value:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_garbage_member_of_a_collection_is_passed_over() {
    let mut world = World::new().await;
    world.neighbours_lose_nothing("at first").await;
    let alive = world.keys("scaler:obj:_meta:alive:").await;
    let long = "x".repeat(100_000);
    let mut commands = Vec::new();
    let garbage = ["garbage", "9:9:9:x", "99999999999999999999999:1:", "", "0:0:0:", &long, ":::"];
    for garbage in &garbage[..size(3, 7)] {
        commands.push(("garbage".to_owned(), vec!["ZADD", "1", garbage]));
        commands.push((format!("wait:{}", id(0)), vec!["ZADD", "1", garbage]));
        for node in alive.iter().map(|key| key.rsplit(':').next().unwrap()) {
            commands.push((format!("mail:{node}"), vec!["ZADD", "1", garbage]));
            for field in ["number", "partial", "0", "1"] {
                commands.push((format!("batch:{node}"), vec!["HSET", field, garbage]));
            }
        }
        for field in ["ids", "contents", "bytes", "waits", "mails"] {
            commands.push(("stats".to_owned(), vec!["HSET", field, garbage]));
        }
        commands.push(("total_size".to_owned(), vec!["SET", garbage]));
    }
    for node in alive.iter().map(|key| key.rsplit(':').next().unwrap()) {
        for number in ["1000000000000000", "-5", "1e300"] {
            commands.push((format!("batch:{node}"), vec!["HSET", "number", number]));
        }
    }
    commands.push(("stats".to_owned(), vec!["HSET", "waits", "9223372036854775807"]));
    for (key, command) in commands {
        let what = format!("{key}: {}", &format!("{command:?}").chars().take(60).collect::<String>());
        let key = key.replace(&id(0).to_string(), &id(world.next).to_string());
        let mut words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
        let key = format!("scaler:obj:_meta:{key}");
        words.insert(1, key.as_bytes());
        world.run(&words).await;
        world.neighbours_lose_nothing(&what).await;
    }
    let removed = async || world.run(&[b"ZCOUNT", b"scaler:obj:_meta:garbage", b"-inf", b"1"]).await;
    eventually("garbage is collected", async || matches!(removed().await, Value::Integer(0))).await;
}
