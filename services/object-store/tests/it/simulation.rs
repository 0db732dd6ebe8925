//! Random requests of many clients, compared with a model of the store: every response, to which client, in which order.

use std::collections::BTreeSet;

use fred::interfaces::KeysInterface;
use test_support::{FlakyProxy, TestRedis, eventually};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::client::{Client, DEADLINE, Node, OUTAGE, Response, id, receive_from, size};
use crate::model::{Model, Op, Rng, encode_op, random_op};
use crate::shared_redis::{SharedRedis, is_cluster};

/// Clients of some nodes, and the model of the store behind them.
struct World {
    rng: Rng,
    model: Model,
    clients: Vec<Client>,
    /// Whether the responses to a client come in the order of its requests; if not, that is so for each object.
    in_order: bool,
}

impl World {
    async fn new(nodes: &[&Node], clients: usize) -> Self {
        let mut connected = Vec::new();
        for n in 0..clients {
            connected.push(Client::connect(nodes[n % nodes.len()].port, &format!("client-{n}")).await);
        }
        let (rng, model) = (Rng(0x9e37_79b9_7f4a_7c15), Model::default());
        Self { rng, model, clients: connected, in_order: true }
    }

    /// Sends one request after the other, from random clients, on a few ids that all of them use. Compares every response.
    async fn run_in_turn(&mut self, requests: usize) {
        for n in 0..requests {
            let sender = self.rng.below(self.clients.len() as u64) as usize;
            let op = random_op(&mut self.rng, 0..60);
            let client = &mut self.clients[sender];
            let (bytes, request_id) = encode_op(client, &op);
            client.stream.write_all(&bytes).await.unwrap();
            let mut expected = self.model.execute(sender, request_id, op.clone());
            let waits =
                !expected.iter().any(|(to, response)| (*to, response.request_id) == (sender, request_id));
            let mut received = Vec::new();
            for (receiver, _) in &expected {
                received.push((*receiver, self.clients[*receiver].receive().await));
            }
            if !self.in_order {
                let place = |(client, response): &(usize, Response)| (*client, response.request_id);
                expected.sort_by_key(place);
                received.sort_by_key(place);
            }
            for ((receiver, response), (_, expected)) in received.into_iter().zip(expected) {
                let what =
                    format!("request {n}, {op:?} of client {sender}: client {receiver} got {response:?}");
                assert!(response == expected, "{what}");
            }
            if waits {
                // It has no response. The node has executed it when it answers a later one of the same client.
                self.clients[sender].totals().await;
            }
        }
        self.check(self.model.waiting.len()).await;
    }

    /// Compares the totals and every object.
    async fn check(&mut self, waiting: usize) {
        let contents: BTreeSet<_> = self.model.objects.values().collect();
        let bytes: usize = contents.iter().map(|data| data.len()).sum();
        let totals = self.clients[0].totals().await;
        let expected = [self.model.objects.len() as u64, contents.len() as u64, bytes as u64];
        match is_cluster() {
            false => assert_eq!(totals[..3], expected),
            // Equal contents are shared within a partition.
            true => assert!(totals[0] == expected[0] && totals[1] >= expected[1], "{totals:?} {expected:?}"),
        }
        if waiting < usize::MAX {
            let (mut waiting_there, mut seen) = (0, Vec::new());
            for client in self.clients.iter_mut().take(2) {
                let totals = client.totals().await;
                if !seen.contains(&client.stream.peer_addr().unwrap()) {
                    seen.push(client.stream.peer_addr().unwrap());
                    waiting_there += totals[3];
                }
            }
            assert_eq!(waiting_there, waiting as u64, "waiting requests");
        }
        for (n, data) in &self.model.objects {
            assert!(self.clients[1].get(&id(*n)).await == *data, "object {n}");
        }
    }

    /// All clients send at once, each on its own ids and without waiting for responses. Compares the responses and their
    /// order.
    async fn run_at_once(&mut self, requests: usize) {
        let (mut running, in_order) = (Vec::new(), self.in_order);
        for (n, mut client) in std::mem::take(&mut self.clients).into_iter().enumerate() {
            let mut rng = Rng(n as u64 + 1);
            running.push(tokio::spawn(async move {
                let own = 1000 + n as u64 * 10;
                let (mut model, mut expected, mut bytes) = (Model::default(), Vec::new(), Vec::new());
                for _ in 0..requests {
                    let op = match random_op(&mut rng, own..own + 6) {
                        // A waiting duplicate is about two objects, whose order is not that of the requests.
                        Op::Duplicate(id, _) if !in_order => Op::Get(id),
                        op => op,
                    };
                    let (encoded, request_id) = encode_op(&mut client, &op);
                    bytes.extend_from_slice(&encoded);
                    expected.extend(model.execute(n, request_id, op));
                }
                // Answers what still waits, and removes everything.
                for n in own..own + 6 {
                    let op = Op::Set(n, vec![1; 10]);
                    let (encoded, request_id) = encode_op(&mut client, &op);
                    bytes.extend_from_slice(&encoded);
                    expected.extend(model.execute(n as usize, request_id, op));
                }
                for n in own..own + 6 {
                    let (encoded, request_id) = encode_op(&mut client, &Op::Delete(n));
                    bytes.extend_from_slice(&encoded);
                    expected.extend(model.execute(n as usize, request_id, Op::Delete(n)));
                }
                // Writes and reads at the same time. Otherwise the socket buffers fill up and both sides block.
                let (mut reader, mut writer) = client.stream.split();
                let reading = async {
                    let mut received = Vec::new();
                    for _ in &expected {
                        received.push(timeout(DEADLINE, receive_from(&mut reader)).await.unwrap().unwrap());
                    }
                    if !in_order {
                        expected.sort_by_key(|(_, response)| response.request_id);
                        received.sort_by_key(|response| response.request_id);
                    }
                    for (response, (_, expected)) in received.into_iter().zip(expected) {
                        assert!(response == expected, "client {n}: {response:?} is not {expected:?}");
                    }
                };
                let (written, ()) = tokio::join!(writer.write_all(&bytes), reading);
                written.unwrap();
                client
            }));
        }
        for client in running {
            self.clients.push(client.await.unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_get_the_responses_of_the_model_from_memory() {
    let node = Node::memory(&[]).await;
    let mut world = World::new(&[&node], size(100, 1000)).await;
    world.run_in_turn(size(3000, 30_000)).await;
    world.run_at_once(30).await;
    world.check(usize::MAX).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_of_two_nodes_get_the_responses_of_the_model_from_redis() {
    let redis = SharedRedis::start().await;
    let nodes = (redis.node().await, redis.node().await);
    let mut world = World::new(&[&nodes.0, &nodes.1], size(100, 1000)).await;
    world.in_order = !is_cluster();
    world.run_in_turn(size(2000, 20_000)).await;
    world.run_at_once(20).await;
    world.check(usize::MAX).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_objects_exist_after_a_node_was_killed() {
    let redis = TestRedis::start().await;
    let mut first = Node::redis(&redis).await;
    let second = Node::redis(&redis).await;
    let mut world = World::new(&[&first, &second], size(20, 200)).await;
    for round in 0..size(2, 10) as u64 {
        world.run_in_turn(size(200, 1000)).await;
        // The first node is killed with sets in flight, some acknowledged and some not.
        let mut burst = Vec::new();
        for (n, client) in world.clients.iter_mut().enumerate().step_by(2) {
            let unique = 10_000 + round * 1000 + n as u64;
            let (bytes, _) = encode_op(client, &Op::Set(unique, vec![n as u8; 100 + n]));
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
        // The waiting requests of its clients are lost, once its alive key has expired.
        world.model.waiting.retain(|(_, waiter)| waiter.client % 2 == 1);
        world.clients[0].totals().await;
        let commands = redis.client().await;
        eventually("only the two nodes are alive", async || {
            let alive = commands.scan_page("0", "scaler:obj:_meta:alive:*", Some(100_000), None).await;
            let (_, nodes): (String, Vec<String>) = alive.unwrap();
            nodes.len() == 2
        })
        .await;
        for (unique, n) in acknowledged {
            assert_eq!(world.clients[1].get(&id(unique)).await, vec![n as u8; 100 + n]);
        }
        // The model does not know these objects. They are removed, acknowledged or not.
        for n in (0..world.clients.len()).step_by(2) {
            world.clients[1].delete(&id(10_000 + round * 1000 + n as u64)).await;
        }
        world.check(usize::MAX).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_while_redis_is_away_and_get_the_right_responses() {
    let redis = TestRedis::start().await;
    let proxy = FlakyProxy::start(redis.port()).await;
    let node = Node::redis_with(&format!("redis://127.0.0.1:{}", proxy.port()), &[]).await;
    let mut world = World::new(&[&node], 20).await;
    world.run_in_turn(300).await;
    for stalled in [true, false] {
        if stalled {
            proxy.stall()
        } else {
            proxy.cut()
        }
        let running = world.run_at_once(10);
        let outage = async {
            if !stalled {
                eventually("readiness is red", async || node.process.get("/ready").await.0 == 503).await;
            }
            tokio::time::sleep(OUTAGE).await;
            proxy.restore();
        };
        tokio::join!(running, outage);
        world.check(usize::MAX).await;
    }
    node.process.wait_until_ready().await;
}
