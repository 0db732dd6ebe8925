//! What an operator does with a running node: lists, finds orphans and what is waited for, and removes, over HTTP and with the
//! commands.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::Value;
use test_support::{TestRedis, eventually};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::client::{Client, Node, SET, id};
use crate::shared_redis::SharedRedis;

struct Operator {
    http: reqwest::Client,
    url: String,
}

impl Operator {
    fn of(node: &Node) -> Self {
        Self { http: reqwest::Client::new(), url: format!("{}/objects", node.process.base_url()) }
    }

    async fn page(&self, query: &str) -> Value {
        let response = self.http.get(format!("{}?{query}", self.url)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{query}");
        response.json().await.unwrap()
    }

    /// Every line of a listing, by id.
    async fn list(&self, query: &str) -> BTreeMap<String, Value> {
        let (mut lines, mut query) = (BTreeMap::new(), query.to_owned());
        let first = query.clone();
        loop {
            let page = self.page(&query).await;
            for line in page["objects"].as_array().unwrap() {
                lines.insert(line["id"].as_str().unwrap().to_owned(), line.clone());
            }
            let Some(next) = page["next"].as_str() else { return lines };
            query = format!("{first}&after={next}");
        }
    }

    async fn remove(&self, query: &str) -> u64 {
        let response = self.http.delete(format!("{}?{query}", self.url)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{query}");
        response.json::<Value>().await.unwrap()["removed"].as_u64().unwrap()
    }
}

async fn lists_and_removes(node: &Node) {
    let operator = Operator::of(node);
    let mut client = Client::connect(node.port, "one").await;
    for n in 0..250 {
        assert_eq!(client.set(&id(n), &vec![7; n as usize]).await, SET);
    }
    let put = operator.http.put(format!("{}/c0ffee", operator.url)).body("short id");
    assert_eq!(put.send().await.unwrap().status(), 201);
    for awaited in [900, 901, 901] {
        client.send_get(&id(awaited)).await;
    }
    eventually("three requests wait", async || node.info("pending_request_count").await == 3).await;

    let all = operator.list("limit=20").await;
    assert_eq!(all.len(), 250 + 1 + 2);
    let line = |id: &str| (&all[id]["size"], &all[id]["waiting"]);
    assert_eq!(line(&id(249).to_string()), (&249.into(), &0.into()));
    assert_eq!(line("c0ffee"), (&8.into(), &0.into()));
    assert_eq!(line(&id(901).to_string()), (&Value::Null, &2.into()));
    assert!(all["c0ffee"]["age_seconds"].as_u64().unwrap() < 60);
    assert_eq!(operator.list("waiting=true&limit=1").await.len(), 2);
    assert_eq!(operator.list("prefix=C0F").await.into_keys().collect::<Vec<_>>(), ["c0ffee"]);
    assert_eq!(operator.list("max_age=1h").await.len(), 0);
    eventually("all are older than a second", async || operator.list("max_age=1s").await.len() == 253).await;

    // Whoever is stored again is young again.
    client.send_set(&id(3), &[7; 3]).await;
    client.receive().await;
    assert!(
        operator.list(&format!("prefix={}", id(3))).await[&id(3).to_string()]["age_seconds"] != Value::Null
    );
    assert_eq!(operator.remove("prefix=c0ffee&max_age=1h").await, 0);
    assert_eq!(operator.remove("prefix=c0ff").await, 1);
    assert_eq!(operator.remove("prefix=dead").await, 0);
    assert_eq!(node.info("object_count").await, 250);
    for bad in ["prefx=00", "prefix=xyz", "max_age=soon", "prefix=00&limit=1"] {
        let refused = operator.http.delete(format!("{}?{bad}", operator.url)).send().await.unwrap();
        assert_eq!(refused.status(), 400, "{bad}");
    }
    for bad in ["limit=0", "limit=10001", "after=7", "colour=red"] {
        let refused = operator.http.get(format!("{}?{bad}", operator.url)).send().await.unwrap();
        assert_eq!(refused.status(), 400, "{bad}");
    }
    assert!(operator.remove("max_age=1s").await >= 249);
    assert!(node.info("object_count").await <= 1);
}

#[tokio::test]
async fn objects_are_listed_and_removed_by_prefix_and_by_age() {
    let redis = SharedRedis::start().await;
    let (memory, on_redis) = (Node::memory(&[]).await, redis.node().await);
    tokio::join!(lists_and_removes(&memory), lists_and_removes(&on_redis));
}

#[tokio::test]
async fn what_the_original_or_an_older_version_stored_has_no_age_and_is_never_an_orphan() {
    let redis = TestRedis::start().await;
    let node = Node::redis(&redis).await;
    let operator = Operator::of(&node);
    let mut client = Client::connect(node.port, "one").await;
    client.set(&id(1), b"older").await;
    redis.admin(&format!("HDEL scaler:obj:{} t", id(1))).await;
    redis.admin("SET scaler:obj:00ff \u{2}\0\0\0mdoriginal").await;
    let all = operator.list("").await;
    assert_eq!((&all["00ff"]["size"], &all["00ff"]["age_seconds"]), (&8.into(), &Value::Null));
    let older = &all[&id(1).to_string()];
    assert_eq!((&older["size"], &older["age_seconds"]), (&5.into(), &Value::Null));
    assert_eq!(operator.list("max_age=0").await.len(), 0);
    assert_eq!(operator.remove("max_age=0").await, 0);
    assert_eq!(operator.remove("prefix=").await, 2);
}

/// Runs a command against the node. Returns its exit code, standard output and standard error.
async fn run(node: &Node, vars: &[(&str, &str)], args: &[&str], input: &[u8]) -> (i32, Vec<u8>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_object-store"));
    command.args(args).env_clear().env("OBJECT_STORE_HTTP_URL", node.process.base_url());
    command.envs(vars.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that does not read has ended.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap_or(-1), output.stdout, stderr)
}

#[tokio::test]
async fn the_commands_do_what_they_say_on_a_running_node() {
    let node = Node::memory(&[("OBJECT_STORE_TOKEN", "secret")]).await;
    let file = node.process.dir().join("token");
    std::fs::write(&file, "secret\n").unwrap();
    let token = [("OBJECT_STORE_TOKEN_FILE", file.to_str().unwrap())];
    let ok = async |args: &[&str], input: &[u8]| {
        let (code, stdout, stderr) = run(&node, &token, args, input).await;
        assert_eq!(code, 0, "{args:?}: {stderr}");
        stdout
    };
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
    let path = node.process.dir().join("large");
    std::fs::write(&path, &large).unwrap();
    ok(&["put", "aa01", path.to_str().unwrap()], b"").await;
    ok(&["put", "aa02", "--metadata", "text/plain; ü"], b"from standard input").await;
    ok(&["put", "bb01"], b"another").await;
    assert!(ok(&["get", "aa01"], b"").await == large);
    assert_eq!(ok(&["get", "aa02"], b"").await, b"from standard input");
    let listed = String::from_utf8(ok(&["ls", "--prefix", "aa"], b"").await).unwrap();
    let mut lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.remove(0), ["id", "bytes", "age_s", "waiting"]);
    lines.sort_unstable();
    assert_eq!(
        lines.iter().map(|line| &line[..2]).collect::<Vec<_>>(),
        [["aa01", "3000000"], ["aa02", "19"]]
    );
    let orphans = ok(&["ls", "--max-age", "1h"], b"").await;
    assert_eq!(String::from_utf8(orphans).unwrap().lines().count(), 1);
    assert_eq!(ok(&["rm", "--prefix", "aa"], b"").await, b"2 removed\n");
    ok(&["rm", "bb01"], b"").await;
    assert_eq!(node.process.metric("object_store_connections").await, 0.0);

    for (vars, args, code, expected) in [
        (&token[..], &["get", "bb01"][..], 1, "there is no such object"),
        (&token, &["rm", "bb01"], 1, "remove bb01"),
        (&[], &["ls"], 1, "Authorization: Bearer TOKEN"),
        (&token, &["put", "aa", "/no/such/file"], 1, "read /no/such/file"),
        (&token, &["ls", "--prefix", "x&y"], 1, "prefix must be hex digits"),
        (&token, &["ls", "--http-url", "http://127.0.0.1:1"], 1, "talk to http://127.0.0.1:1"),
        (&token, &["rm"], 2, ""),
    ] {
        let (exit, _, stderr) = run(&node, vars, args, b"").await;
        assert!(exit == code && stderr.contains(expected), "{args:?}: {exit} {stderr}");
    }
}
