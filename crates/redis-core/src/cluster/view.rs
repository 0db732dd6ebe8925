//! What one node says of its Cluster.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use fred::clients::Client;
use fred::error::ErrorKind;
use fred::interfaces::ClientLike;
use fred::types::config::Server;
use fred::types::{CustomCommand, FromValue, Value};

use crate::RedisError;
use crate::builder::{QUESTION_TIMEOUT, once};

/// The name that a node has for as long as it lives.
pub(crate) type NodeId = Arc<str>;

/// The Cluster, as one node sees it.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// Who has which slots.
    pub(super) slots: Vec<(RangeInclusive<u16>, NodeId)>,
    pub(super) nodes: HashMap<NodeId, Node>,
}

/// A node, as another sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) server: Server,
    /// Grows with each change of what the node has.
    pub(super) epoch: u64,
    pub(super) is_primary: bool,
    /// Of a replica: its primary.
    pub(super) primary: Option<NodeId>,
    /// Whether most primaries call it down.
    pub(super) is_down: bool,
}

impl View {
    /// Asks a node.
    ///
    /// # Errors
    /// When it does not answer, is no node of a Cluster, or the user may not ask.
    pub(super) async fn ask(client: &Client, asked: &Server) -> Result<Self, RedisError> {
        let (slots, nodes) =
            tokio::try_join!(cluster::<Value>(client, "SLOTS"), cluster::<String>(client, "NODES"))?;
        Self::parse(slots, &nodes, asked)
            .ok_or_else(|| RedisError::new(ErrorKind::IO, "the reply to CLUSTER SLOTS is not one"))
    }

    /// From the replies to CLUSTER SLOTS, which says how clients should name the nodes, and to CLUSTER NODES, which says how
    /// new that is.
    fn parse(slots: Value, nodes: &str, asked: &Server) -> Option<Self> {
        let nodes = nodes.lines().filter_map(|line| parse_node(line, asked)).collect();
        let mut view = Self { slots: Vec::new(), nodes };
        for range in slots.into_array() {
            let mut parts = range.into_array().into_iter();
            let mut slot = || u16::try_from(parts.next()?.as_i64()?).ok();
            let range = slot()?..=slot()?;
            for (number, node) in parts.enumerate() {
                let mut parts = node.into_array().into_iter();
                let (host, port, id) = (parts.next()?, parts.next()?, parts.next()?);
                let host = host.as_str().filter(|host| !host.is_empty() && &**host != "?");
                let host = host.unwrap_or_else(|| (&*asked.host).into());
                let (id, port) = (NodeId::from(&*id.as_str()?), u16::try_from(port.as_i64()?).ok()?);
                if let Some(known) = view.nodes.get_mut(&id) {
                    known.server = Server::new(&*host, port);
                }
                // The first is the primary, and replicas follow.
                if number == 0 {
                    view.slots.push((range.clone(), id));
                }
            }
        }
        Some(view)
    }
}

/// A line of CLUSTER NODES: `ID HOST:PORT@BUS FLAGS PRIMARY PING PONG EPOCH LINK SLOTS…`.
fn parse_node(line: &str, asked: &Server) -> Option<(NodeId, Node)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [id, address, flags, primary, _, _, epoch, ..] = words[..] else { return None };
    let (host, port) = address.split(['@', ',']).next()?.rsplit_once(':')?;
    let host = if host.is_empty() { &*asked.host } else { host };
    let has = |flag| flags.split(',').any(|word| word == flag);
    let node = Node {
        server: Server::new(host, port.parse().ok()?),
        epoch: epoch.parse().ok()?,
        is_primary: has("master"),
        primary: (primary != "-").then(|| primary.into()),
        is_down: has("fail") || has("noaddr") || has("handshake"),
    };
    Some((id.into(), node))
}

async fn cluster<T: FromValue>(client: &Client, what: &'static str) -> Result<T, RedisError> {
    let command = CustomCommand::new_static("CLUSTER", None, false);
    client.with_options(&once(QUESTION_TIMEOUT)).custom(command, vec![what]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "\
        a1 127.0.0.1:7000@17000,name.example myself,master - 0 0 3 connected 0-99 [5->-b2]\n\
        b2 127.0.0.1:7001@17001 master,fail - 0 0 2 connected 100-16383\n\
        c3 127.0.0.1:7002@17002 slave b2 0 0 2 connected\n";

    #[test]
    fn the_replies_of_a_node_are_its_view() {
        let node = |host: Value, port: i64, id: &str| Value::Array(vec![host, port.into(), id.into()]);
        let range = |from: i64, to: i64, nodes: Vec<Value>| {
            Value::Array([vec![from.into(), to.into()], nodes].concat())
        };
        let slots = Value::Array(vec![
            range(0, 99, vec![node("name.example".into(), 7000, "a1")]),
            range(100, 16383, vec![node(Value::Null, 7001, "b2"), node("".into(), 7002, "c3")]),
        ]);
        let view = View::parse(slots, NODES, &Server::new("asked", 7000)).unwrap();
        assert_eq!(view.slots, [(0..=99, "a1".into()), (100..=16383, "b2".into())]);
        let of = |id: &str| {
            let node = &view.nodes[id];
            (node.server.to_string(), node.epoch, node.is_primary, node.is_down)
        };
        assert_eq!(of("a1"), ("name.example:7000".to_owned(), 3, true, false));
        assert_eq!(of("b2"), ("asked:7001".to_owned(), 2, true, true));
        assert_eq!(of("c3"), ("asked:7002".to_owned(), 2, false, false));
        assert_eq!(
            (view.nodes["b2"].primary.as_deref(), view.nodes["c3"].primary.as_deref()),
            (None, Some("b2"))
        );
    }
}
