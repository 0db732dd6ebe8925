//! A Redis Cluster, over whose shards the partitions of the store are spread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use object_store::ObjectId;
use object_store::header::RequestKind;
use parking_lot::Mutex;
use redis_core::key::{hash_slot, spread_tags};
use test_support::{RedisCluster, ServiceProcess, eventually, eventually_ok};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::{Client, DELETED, DUPLICATED, GOT, NOT_EXISTS, Node, Response, SET, id, size};

/// Longer than a shard is away, also if others use the machine.
const FAILOVER: Duration = Duration::from_secs(120);
/// The partitions of a store, unless a setting says otherwise.
const PARTITIONS: u16 = 64;

/// The hash slot of an object's keys. Stores that exist rest on it.
fn slot_of(id: &ObjectId, tags: &[String]) -> u16 {
    let hash = u64::from_le_bytes(*blake3::hash(id.as_bytes()).as_bytes().first_chunk().unwrap());
    hash_slot(&tags[(hash % u64::from(PARTITIONS)) as usize])
}

/// What a writer has done in one shard, and what its objects have to be.
#[derive(Default)]
struct Progress {
    /// The number of each object that must exist, and its content.
    objects: Mutex<BTreeMap<u64, Vec<u8>>>,
    rounds: AtomicU64,
    longest_pause: Mutex<Duration>,
}

/// Clients of two nodes that store, duplicate, get and delete objects, each in the slots that one shard had at first.
struct Load {
    progress: Vec<Arc<Progress>>,
    stopped: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(nodes: [&Node; 2]) -> Self {
        let (stopped, tags) = (Arc::<AtomicBool>::default(), Arc::new(spread_tags("", PARTITIONS)));
        let progress: Vec<Arc<Progress>> = (0..6).map(|_| Arc::default()).collect();
        let writers = progress.iter().enumerate().map(|(writer, progress)| {
            let (node, shard) = (writer % 2, writer / 2);
            let numbers = numbers_of(shard as u16, writer as u64, Arc::clone(&tags));
            let ports = [nodes[node].port, nodes[1 - node].port];
            tokio::spawn(write(ports, writer, numbers, Arc::clone(progress), Arc::clone(&stopped)))
        });
        let tasks = writers.collect();
        Self { progress, stopped, tasks }
    }

    fn rounds(&self, writer: usize) -> u64 {
        self.progress[writer].rounds.load(Ordering::Relaxed)
    }

    /// Waits until these writers have come further.
    async fn go_on(&self, writers: std::ops::Range<usize>) {
        for writer in writers {
            let before = self.rounds(writer);
            eventually("the writer goes on", async || {
                assert!(!self.tasks[writer].is_finished(), "writer {writer} has failed");
                self.rounds(writer) > before + 5
            })
            .await;
        }
    }

    /// The longest round of each writer since this was last asked.
    fn take_pauses(&self) -> Vec<Duration> {
        self.progress.iter().map(|progress| std::mem::take(&mut *progress.longest_pause.lock())).collect()
    }

    async fn stop(self) -> BTreeMap<u64, Vec<u8>> {
        self.stopped.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.progress.iter().flat_map(|progress| std::mem::take(&mut *progress.objects.lock())).collect()
    }
}

/// Numbers of objects whose keys are in the slots that a shard has at first.
fn numbers_of(shard: u16, writer: u64, tags: Arc<Vec<String>>) -> impl Iterator<Item = u64> + Send {
    (writer << 32..).filter(move |n| slot_of(&id(*n), &tags) / (16_384 / 3) == shard)
}

async fn write(
    ports: [u16; 2],
    writer: usize,
    mut numbers: impl Iterator<Item = u64>,
    progress: Arc<Progress>,
    stopped: Arc<AtomicBool>,
) {
    let mut client = Client::connect(ports[0], &format!("writer-{writer}")).await;
    let mut other = Client::connect(ports[1], &format!("reader-{writer}")).await;
    while !stopped.load(Ordering::Relaxed) {
        let began = Instant::now();
        let [original, copy, late] = [(); 3].map(|()| numbers.next().unwrap());
        // Every fourth is stored as a chunk.
        let length = if original % 4 == 0 { 20_000 } else { 100 };
        let data: Vec<u8> = original.to_be_bytes().into_iter().cycle().take(length).collect();
        // On the other node, a get and a duplicate wait for it.
        let waiting =
            [other.send_get(&id(original)).await, other.send_duplicate(&id(late), &id(original)).await];
        let set = client.send_set(&id(original), &data).await;
        assert_eq!(response_to(&mut client, set).await.kind, SET);
        let duplicate = client.send_duplicate(&id(copy), &id(original)).await;
        assert_eq!(response_to(&mut client, duplicate).await.kind, DUPLICATED);
        let mut answers = [receive(&mut other).await, receive(&mut other).await];
        answers.sort_by_key(|answer| answer.request_id);
        assert_eq!(answers.each_ref().map(|answer| answer.request_id), waiting);
        assert_eq!(answers.each_ref().map(|answer| answer.kind), [GOT, DUPLICATED]);
        assert!(answers[0].payload == data, "a get that waited");
        let is_kept = progress.rounds.load(Ordering::Relaxed).is_multiple_of(3);
        if !is_kept {
            let delete = client.send(RequestKind::Delete, &id(original), 0, None).await;
            assert_eq!(response_to(&mut client, delete).await.kind, DELETED);
        }
        let get = other.send_get(&id(copy)).await;
        assert!(response_to(&mut other, get).await.payload == data, "what the other node has acknowledged");
        let mut objects = progress.objects.lock();
        objects.extend([(copy, data.clone()), (late, data.clone())]);
        if is_kept {
            objects.insert(original, data);
        }
        drop(objects);
        progress.rounds.fetch_add(1, Ordering::Relaxed);
        let mut longest = progress.longest_pause.lock();
        *longest = longest.max(began.elapsed());
    }
}

/// As `Client::receive`, through a failover on a busy machine.
async fn receive(client: &mut Client) -> Response {
    timeout(FAILOVER, client.receive_or_end()).await.expect("a response").expect("a connection")
}

async fn response_to(client: &mut Client, request_id: u64) -> Response {
    let response = receive(client).await;
    assert_eq!(response.request_id, request_id);
    response
}

/// Compares the store with what it has to have.
async fn check(nodes: [&Node; 2], objects: &BTreeMap<u64, Vec<u8>>) {
    let mut client = Client::connect(nodes[0].port, "check").await;
    for (n, data) in objects {
        assert!(client.get(&id(*n)).await == *data, "object {n}");
    }
    // Each partition has a content once, and no copy holds one any more.
    let tags = spread_tags("", PARTITIONS);
    let contents: BTreeSet<_> = objects.iter().map(|(n, data)| (slot_of(&id(*n), &tags), data)).collect();
    for node in nodes {
        assert_eq!(node.info("object_count").await, objects.len() as u64);
        assert_eq!(node.info("pending_request_count").await, 0);
    }
    let expected = [objects.len() as u64, contents.len() as u64];
    eventually_ok("ids and contents are counted", async || {
        let mut client = Client::connect(nodes[1].port, "count").await;
        let counted = client.totals().await;
        if counted[..2] == expected { Ok(()) } else { Err(format!("{counted:?}, not {expected:?}")) }
    })
    .await;
    println!("{} objects, {} contents in the partitions: all right", expected[0], expected[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_is_kept_through_a_kill_a_reshard_an_added_node_and_a_planned_failover() {
    let mut cluster = RedisCluster::start().await;
    let vars = [("REDIS_WAIT_REPLICAS", "1")];
    let nodes =
        (Node::redis_with(&cluster.url(), &vars).await, Node::redis_with(&cluster.url(), &vars).await);
    let load = Load::start([&nodes.0, &nodes.1]);
    load.go_on(0..6).await;

    // The shard of the first two writers is killed: the others go on, before another has taken its place.
    let killed = cluster.owner(0).await;
    load.take_pauses();
    cluster.kill_without_failover(killed).await;
    eventually("/ready names the shard", async || {
        let (status, body) = nodes.0.process.get("/ready").await;
        status == 503 && body.contains(&format!("shard of 127.0.0.1:{}", cluster.nodes[killed].port()))
    })
    .await;
    load.go_on(2..6).await;
    cluster.allow_failover().await;
    cluster.wait_for_failover(0, killed).await;
    cluster.nodes[killed].restart().await;
    load.go_on(0..6).await;
    nodes.0.process.wait_until_ready().await;
    let pauses = load.take_pauses();
    println!("a primary killed: rounds of at most {pauses:?}");
    cluster.wait_until_stable().await;

    let (from, to) = (cluster.owner(0).await, cluster.add_node().await);
    // With a replica, without which it may acknowledge nothing.
    let replica = cluster.add_node().await;
    cluster.nodes[replica].admin(&format!("CLUSTER REPLICATE {}", cluster.id(to).await)).await;
    cluster.wait_until_stable().await;
    cluster.move_slots(size(450, 4_000) as u16, from, to).await;
    load.go_on(0..6).await;
    println!("slots moved to an added node: rounds of at most {:?}", load.take_pauses());

    cluster.fail_over(cluster.owner(8_000).await).await;
    load.go_on(0..6).await;
    println!("CLUSTER FAILOVER: rounds of at most {:?}", load.take_pauses());
    let objects = load.stop().await;
    check([&nodes.0, &nodes.1], &objects).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_redis_user_of_the_readme_is_enough() {
    let cluster = RedisCluster::start().await;
    cluster.set_user(include_str!("../../README.md")).await;
    let (url, vars) = (cluster.url_of("object-store"), [("REDIS_WAIT_REPLICAS", "1")]);
    let nodes = (Node::redis_with(&url, &vars).await, Node::redis_with(&url, &vars).await);
    let load = Load::start([&nodes.0, &nodes.1]);
    load.go_on(0..6).await;
    // The slot of one of the partitions.
    let slot = hash_slot(&spread_tags("", PARTITIONS)[0]);
    let (from, to) = (cluster.owner(slot).await, cluster.owner(16_383).await);
    cluster.begin_move(slot, from, to).await;
    load.go_on(2..6).await;
    cluster.finish_move(slot, from, to).await;
    load.go_on(0..6).await;
    check([&nodes.0, &nodes.1], &load.stop().await).await;
    let listed = nodes.0.process.get("/objects?limit=10000").await;
    assert_eq!(listed.0, 200, "{}", listed.1);
    cluster.assert_nothing_denied().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_spread_evenly_and_is_counted_listed_and_cleared_as_one() {
    let cluster = RedisCluster::start().await;
    let node = Node::redis_with(&cluster.url(), &[]).await;
    let count = size(20_000, 100_000) as u64;
    let before = commands(&cluster).await;
    let mut storing = Vec::new();
    for part in 0..4 {
        let mut client = Client::connect(node.port, &format!("storing-{part}")).await;
        storing.push(tokio::spawn(async move {
            for numbers in (part * count / 4..(part + 1) * count / 4).collect::<Vec<_>>().chunks(100) {
                let mut bytes = Vec::new();
                for n in numbers {
                    let data = n.to_be_bytes();
                    bytes.extend(client.encode_request(RequestKind::Set, &id(*n), 8, Some(&data)).0);
                }
                client.stream.write_all(&bytes).await.unwrap();
                for _ in numbers {
                    assert_eq!(client.receive().await.kind, SET);
                }
            }
        }));
    }
    for stored in storing {
        stored.await.unwrap();
    }
    let mut client = Client::connect(node.port, "one").await;
    assert_eq!(client.totals().await[..3], [count, count, 8 * count]);
    let mut keys = Vec::new();
    for primary in cluster.primaries().await {
        keys.push(cluster.nodes[primary].admin("DBSIZE").await.as_f64().unwrap());
    }
    let sent: Vec<f64> =
        commands(&cluster).await.iter().zip(before).map(|(after, before)| after - before).collect();
    println!("{count} objects: keys {keys:?}, commands {sent:?}");
    for busy in [&keys, &sent] {
        let (most, sum) = (busy.iter().copied().fold(0.0, f64::max), busy.iter().sum::<f64>());
        assert!(most <= 1.3 * sum / 3.0, "{busy:?}");
    }
    assert_eq!(node.info("object_count").await, count);
    assert_eq!(node.info("total_size_bytes").await, 12 * count);

    let http = reqwest::Client::new();
    let url = format!("{}/objects", node.process.base_url());
    let (mut listed, mut after) = (BTreeSet::new(), None::<String>);
    loop {
        let mut page = http.get(&url).query(&[("limit", "10000")]);
        if let Some(after) = &after {
            page = page.query(&[("after", after)]);
        }
        let page: serde_json::Value = page.send().await.unwrap().json().await.unwrap();
        let ids = page["objects"].as_array().unwrap().iter();
        listed.extend(ids.map(|object| object["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(listed.len() as u64, count);
    let prefix = &id(0).to_string()[..62];
    let removed = http.delete(&url).query(&[("prefix", prefix)]).send().await.unwrap().text().await.unwrap();
    assert_eq!(removed, r#"{"removed":256}"#);

    // Another number of partitions would not find the objects.
    let vars = [
        ("OBJECT_STORE_BACKEND", "redis"),
        ("REDIS_URL", &cluster.url()),
        ("OBJECT_STORE_PARTITIONS", "32"),
        ("OBJECT_STORE_ADDRESS", "tcp://127.0.0.1:0"),
    ];
    let mut other = ServiceProcess::start(env!("CARGO_BIN_EXE_object-store"), &vars).await;
    assert_ne!(other.wait_for_exit().await, 0);
    assert!(other.log().contains("has 64 partitions, not 32"), "{}", other.log());

    assert_eq!(http.delete(&url).send().await.unwrap().status(), 204);
    assert_eq!((node.info("object_count").await, node.info("total_size_bytes").await), (0, 0));
    assert_eq!(client.delete(&id(count - 1)).await, NOT_EXISTS);
    assert_eq!(client.set(&id(1), b"again").await, SET);
    assert_eq!(client.get(&id(1)).await, b"again");
}

/// How many commands each of the first three nodes has carried out.
async fn commands(cluster: &RedisCluster) -> Vec<f64> {
    let mut counts = Vec::new();
    for node in &cluster.nodes[..3] {
        let stats = node.admin("INFO stats").await.into_string().unwrap();
        let count = stats.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        counts.push(count.unwrap().trim().parse().unwrap());
    }
    counts
}
