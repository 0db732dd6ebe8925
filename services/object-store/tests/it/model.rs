//! Random requests of many clients against a model of the store: every answer, to whom and in which order.

use std::collections::{BTreeMap, VecDeque};

use fred::interfaces::KeysInterface;
use object_store::header::{Ask, encode_id};
use test_support::{FlakyProxy, TestRedis, eventually};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::client::{
    Client, DELETED, DUPLICATED, GOT, NOT_EXISTS, Node, OUTAGE, Response, SET, SOON, id, receive_from, size,
};

/// Numbers that are the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[derive(Debug, Clone)]
enum Op {
    Set(u64, Vec<u8>),
    Get(u64),
    Delete(u64),
    Duplicate(u64, u64),
}

/// Mostly small contents, some of several sizes around the limits between inline, one chunk and many.
fn content(dice: &mut Dice) -> Vec<u8> {
    let length = match dice.roll(40) {
        0 => [8 << 10, 16 << 10, 64 << 10][dice.roll(3) as usize] + dice.roll(3) - 1,
        1 => (1 << 20) + dice.roll(3) - 1,
        2 => 0,
        _ => dice.roll(200),
    };
    vec![dice.roll(5) as u8; length as usize]
}

fn op(dice: &mut Dice, ids: std::ops::Range<u64>) -> Op {
    let mut some = || ids.start + dice.roll(ids.end - ids.start);
    let (one, two) = (some(), some());
    match dice.roll(10) {
        0..3 => Op::Set(one, content(dice)),
        3..6 => Op::Get(one),
        6..8 => Op::Delete(one),
        _ => Op::Duplicate(one, two),
    }
}

/// The store as the contract describes it. A client is a number, a request the client's own number of it.
#[derive(Default)]
struct Model {
    objects: BTreeMap<u64, Vec<u8>>,
    waiting: Vec<(u64, Waiting)>,
}

#[derive(Clone)]
struct Waiting {
    client: usize,
    request: u64,
    copy: Option<u64>,
}

type Answers = Vec<(usize, Response)>;

impl Model {
    fn execute(&mut self, client: usize, request: u64, op: Op) -> Answers {
        let mut answers = Answers::new();
        let kind = match op {
            Op::Set(id, data) => {
                self.objects.insert(id, data);
                self.resolve(id, &mut answers);
                SET
            }
            Op::Get(id) => {
                match self.objects.get(&id) {
                    Some(data) => {
                        answers.push((client, Response { request, kind: GOT, payload: data.clone() }))
                    }
                    None => self.waiting.push((id, Waiting { client, request, copy: None })),
                }
                return answers;
            }
            Op::Delete(id) => match self.objects.remove(&id) {
                Some(_) => DELETED,
                None => NOT_EXISTS,
            },
            Op::Duplicate(id, original) => {
                let Some(data) = self.objects.get(&original).cloned() else {
                    self.waiting.push((original, Waiting { client, request, copy: Some(id) }));
                    return answers;
                };
                self.objects.insert(id, data);
                self.resolve(id, &mut answers);
                DUPLICATED
            }
        };
        answers.push((client, Response { request, kind, payload: Vec::new() }));
        answers
    }

    fn resolve(&mut self, id: u64, answers: &mut Answers) {
        let data = self.objects[&id].clone();
        let mut due = self.take(id);
        while let Some(waiting) = due.pop_front() {
            let (kind, payload) =
                if waiting.copy.is_some() { (DUPLICATED, Vec::new()) } else { (GOT, data.clone()) };
            answers.push((waiting.client, Response { request: waiting.request, kind, payload }));
            if let Some(copy) = waiting.copy {
                self.objects.insert(copy, data.clone());
                let mut next = self.take(copy);
                next.append(&mut due);
                due = next;
            }
        }
    }

    fn take(&mut self, id: u64) -> VecDeque<Waiting> {
        let (due, rest) =
            std::mem::take(&mut self.waiting).into_iter().partition::<Vec<_>, _>(|(of, _)| *of == id);
        self.waiting = rest;
        due.into_iter().map(|(_, waiting)| waiting).collect()
    }
}

fn request(client: &mut Client, op: &Op) -> (Vec<u8>, u64) {
    match op {
        Op::Set(n, data) => client.request(Ask::Set, &id(*n), data.len() as u64, Some(data)),
        Op::Get(n) => client.request(Ask::Get, &id(*n), u64::MAX, None),
        Op::Delete(n) => client.request(Ask::Delete, &id(*n), 0, None),
        Op::Duplicate(n, original) => {
            client.request(Ask::Duplicate, &id(*n), 48, Some(&encode_id(&id(*original))))
        }
    }
}

/// Clients of some nodes, and the model of the store behind them.
struct World {
    dice: Dice,
    model: Model,
    clients: Vec<Client>,
}

impl World {
    async fn new(nodes: &[&Node], clients: usize) -> Self {
        let mut connected = Vec::new();
        for n in 0..clients {
            connected.push(Client::connect(nodes[n % nodes.len()].port, &format!("client-{n}")).await);
        }
        Self { dice: Dice(0x9e37_79b9_7f4a_7c15), model: Model::default(), clients: connected }
    }

    /// One request after the other, of clients picked at random, on a few ids that all of them use.
    async fn step(&mut self, steps: usize) {
        for step in 0..steps {
            let at = self.dice.roll(self.clients.len() as u64) as usize;
            let op = op(&mut self.dice, 0..60);
            let client = &mut self.clients[at];
            let (bytes, number) = request(client, &op);
            client.stream.write_all(&bytes).await.unwrap();
            for (to, wanted) in self.model.execute(at, number, op.clone()) {
                let heard = self.clients[to].receive().await;
                assert!(heard == wanted, "step {step}, {op:?} of client {at}: client {to} heard {heard:?}");
            }
        }
        self.check(self.model.waiting.len()).await;
    }

    /// Totals, and every object.
    async fn check(&mut self, waiting: usize) {
        let contents: std::collections::BTreeSet<_> = self.model.objects.values().collect();
        let bytes: usize = contents.iter().map(|data| data.len()).sum();
        let totals = self.clients[0].totals().await;
        assert_eq!(totals[..3], [self.model.objects.len() as u64, contents.len() as u64, bytes as u64]);
        if waiting < usize::MAX {
            let (mut waits, mut seen) = (0, Vec::new());
            for client in self.clients.iter_mut().take(2) {
                let totals = client.totals().await;
                if !seen.contains(&client.stream.peer_addr().unwrap()) {
                    seen.push(client.stream.peer_addr().unwrap());
                    waits += totals[3];
                }
            }
            assert_eq!(waits, waiting as u64, "requests that wait");
        }
        for (n, data) in &self.model.objects {
            assert!(self.clients[1].get(&id(*n)).await == *data, "object {n}");
        }
    }

    /// All clients at once, each on ids of its own and without waiting for answers: they come in the model's order.
    async fn race(&mut self, requests: usize) {
        let mut racing = Vec::new();
        for (n, mut client) in std::mem::take(&mut self.clients).into_iter().enumerate() {
            let mut dice = Dice(n as u64 + 1);
            racing.push(tokio::spawn(async move {
                let own = 1000 + n as u64 * 10;
                let (mut model, mut wanted, mut bytes) = (Model::default(), Vec::new(), Vec::new());
                for _ in 0..requests {
                    let op = op(&mut dice, own..own + 6);
                    let (said, number) = request(&mut client, &op);
                    bytes.extend_from_slice(&said);
                    wanted.extend(model.execute(n, number, op));
                }
                // What still waits is released, and all is removed.
                for n in own..own + 6 {
                    let op = Op::Set(n, vec![1; 10]);
                    let (said, number) = request(&mut client, &op);
                    bytes.extend_from_slice(&said);
                    wanted.extend(model.execute(n as usize, number, op));
                }
                for n in own..own + 6 {
                    let (said, number) = request(&mut client, &Op::Delete(n));
                    bytes.extend_from_slice(&said);
                    wanted.extend(model.execute(n as usize, number, Op::Delete(n)));
                }
                // Both at once, or the sockets' buffers fill up and each side waits for the other.
                let (mut reader, mut writer) = client.stream.split();
                let reading = async {
                    for (_, wanted) in wanted {
                        let heard = timeout(SOON, receive_from(&mut reader)).await.unwrap().unwrap();
                        assert!(heard == wanted, "client {n}: {heard:?} is not {wanted:?}");
                    }
                };
                let (written, ()) = tokio::join!(writer.write_all(&bytes), reading);
                written.unwrap();
                client
            }));
        }
        for client in racing {
            self.clients.push(client.await.unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_hear_what_the_model_says_from_memory() {
    let node = Node::memory(&[]).await;
    let mut world = World::new(&[&node], size(100, 1000)).await;
    world.step(size(3000, 30_000)).await;
    world.race(30).await;
    world.check(usize::MAX).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_of_two_nodes_hear_what_the_model_says_from_redis() {
    let redis = TestRedis::start().await;
    let nodes = (Node::redis(&redis).await, Node::redis(&redis).await);
    let mut world = World::new(&[&nodes.0, &nodes.1], size(100, 1000)).await;
    world.step(size(2000, 20_000)).await;
    world.race(20).await;
    world.check(usize::MAX).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_node_was_killed() {
    let redis = TestRedis::start().await;
    let mut first = Node::redis(&redis).await;
    let second = Node::redis(&redis).await;
    let mut world = World::new(&[&first, &second], size(20, 200)).await;
    for round in 0..size(2, 10) as u64 {
        world.step(size(200, 1000)).await;
        // The first node is killed with sets under way, some acknowledged and some not.
        let mut burst = Vec::new();
        for (n, client) in world.clients.iter_mut().enumerate().step_by(2) {
            let unique = 10_000 + round * 1000 + n as u64;
            let (bytes, _) = request(client, &Op::Set(unique, vec![n as u8; 100 + n]));
            client.stream.write_all(&bytes).await.unwrap();
            burst.push((unique, n));
        }
        first.kill_and_restart().await;
        let mut acknowledged = Vec::new();
        for (unique, n) in burst {
            if world.clients[n].receive_or_end().await.is_some() {
                acknowledged.push((unique, n));
            }
            world.clients[n] = Client::connect(first.port, &format!("client-{n}-{round}")).await;
        }
        // What its clients waited for went with it, once the other nodes take it for dead.
        world.model.waiting.retain(|(_, waiting)| waiting.client % 2 == 1);
        world.clients[0].totals().await;
        let commands = redis.client().await;
        eventually("only the two nodes live", async || {
            let alive = commands.scan_page("0", "scaler:obj:_meta:alive:*", Some(100_000), None).await;
            let (_, nodes): (String, Vec<String>) = alive.unwrap();
            nodes.len() == 2
        })
        .await;
        for (unique, n) in acknowledged {
            assert_eq!(world.clients[1].get(&id(unique)).await, vec![n as u8; 100 + n]);
        }
        // Acknowledged or not, they are taken out of the way of the model.
        for n in (0..world.clients.len()).step_by(2) {
            world.clients[1].delete(&id(10_000 + round * 1000 + n as u64)).await;
        }
        world.check(usize::MAX).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_while_redis_is_away_and_nothing_wrong_is_answered() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let node = Node::redis_with(&format!("redis://127.0.0.1:{}", proxy.port()), &[]).await;
    let mut world = World::new(&[&node], 20).await;
    world.step(300).await;
    for stalled in [true, false] {
        if stalled {
            proxy.stall()
        } else {
            proxy.cut()
        }
        let racing = world.race(10);
        let away = async {
            if !stalled {
                eventually("readiness is red", async || node.process.get("/ready").await.0 == 503).await;
            }
            tokio::time::sleep(OUTAGE).await;
            proxy.restore();
        };
        tokio::join!(racing, away);
        world.check(usize::MAX).await;
    }
    node.process.wait_until_ready().await;
}
