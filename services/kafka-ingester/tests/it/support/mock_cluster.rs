//! librdkafka's mock cluster of one broker, in a process of its own.
//!
//! In the process of the tests, a signal would end it (librdkafka's issue 4727), each child that starts would inherit
//! its sockets, so that it could not listen on its port again, and an assertion that fails in it would abort all tests.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use parking_lot::Mutex;
use rdkafka::mocking;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde::{Deserialize, Serialize};

/// The mock cluster. Its process ends when this is dropped.
pub(crate) struct MockCluster {
    bootstrap_servers: String,
    pipes: Mutex<Pipes>,
}

struct Pipes {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What the tests ask of the process: a line of JSON each. It answers each with a line, after [`ANSWER`].
#[derive(Serialize, Deserialize)]
enum Request {
    CreateTopic { name: String, partitions: i32 },
    StopBroker,
    StartBroker,
    RefuseJoins { count: usize },
    ForgetFindCoordinator,
}

const ANSWER: &str = "mock cluster: ";

impl MockCluster {
    pub(crate) fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "support::mock_cluster::serve_until_stdin_ends", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = process.stdin.take().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let bootstrap_servers = read_answer(&mut answers);
        Self { bootstrap_servers, pipes: Mutex::new(Pipes { process, requests, answers }) }
    }

    pub(crate) fn bootstrap_servers(&self) -> String {
        self.bootstrap_servers.clone()
    }

    pub(crate) fn create_topic(&self, name: &str, partitions: i32) {
        self.request(&Request::CreateTopic { name: name.to_owned(), partitions });
    }

    /// Closes all connections and accepts none, until [`MockCluster::start_broker`].
    pub(crate) fn stop_broker(&self) {
        self.request(&Request::StopBroker);
    }

    pub(crate) fn start_broker(&self) {
        self.request(&Request::StartBroker);
    }

    /// Answers the next requests to join a group as a broker does beside a member with another strategy.
    pub(crate) fn refuse_joins(&self, count: usize) {
        self.request(&Request::RefuseJoins { count });
    }

    /// Answers as a broker that does not know the request `FindCoordinator`.
    pub(crate) fn forget_find_coordinator(&self) {
        self.request(&Request::ForgetFindCoordinator);
    }

    fn request(&self, request: &Request) {
        let mut pipes = self.pipes.lock();
        let line = serde_json::to_string(request).unwrap();
        writeln!(pipes.requests, "{line}").unwrap();
        assert_eq!(read_answer(&mut pipes.answers), "done");
    }
}

impl Drop for MockCluster {
    fn drop(&mut self) {
        let process = &mut self.pipes.get_mut().process;
        process.kill().ok();
        process.wait().ok();
    }
}

/// The next answer. The test harness writes lines too, and may write before it on the same line.
fn read_answer(lines: &mut impl BufRead) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the process of the mock cluster has ended");
        if let Some((_, answer)) = line.trim_end().split_once(ANSWER) {
            return answer.to_owned();
        }
    }
}

/// Not a test, but what the process of [`MockCluster::start`] does: an integration test has no other program
/// of its own than itself.
#[test]
#[ignore = "the program of librdkafka's mock cluster, which the tests start"]
fn serve_until_stdin_ends() {
    let cluster = mocking::MockCluster::new(1).unwrap();
    println!("{ANSWER}{}", cluster.bootstrap_servers());
    for line in std::io::stdin().lock().lines() {
        match serde_json::from_str(&line.unwrap()).unwrap() {
            Request::CreateTopic { name, partitions } => cluster.create_topic(&name, partitions, 1).unwrap(),
            Request::StopBroker => cluster.broker_down(1).unwrap(),
            Request::StartBroker => cluster.broker_up(1).unwrap(),
            Request::RefuseJoins { count } => {
                let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL;
                cluster.request_errors(RDKafkaApiKey::JoinGroup, &vec![refusal; count]);
            }
            Request::ForgetFindCoordinator => {
                cluster.apiversion(RDKafkaApiKey::FindCoordinator, None, None).unwrap();
            }
        }
        println!("{ANSWER}done");
    }
}
