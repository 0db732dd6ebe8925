use std::process::Stdio;
use std::time::{Duration, Instant};

use test_support::{ServiceProcess, eventually};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::{binary, start};

const DRAIN: [(&str, &str); 2] = [("DRAIN_DELAY", "500ms"), ("DRAIN_TIMEOUT", "1s")];

async fn start_with_work(work: &str) -> ServiceProcess {
    start(&[&DRAIN[..], &[("DEMO_WORK", work)]].concat()).await
}

/// Sends SIGTERM. Returns the exit code and the time to the end.
async fn stop(service: &mut ServiceProcess) -> (i32, Duration) {
    let asked = Instant::now();
    let code = service.terminate().await;
    (code, asked.elapsed())
}

#[tokio::test]
async fn the_time_to_drain_holds_whatever_blocks() {
    for work in ["block", "spin", "clean-up"] {
        let mut service = start_with_work(work).await;
        let (code, took) = stop(&mut service).await;
        assert_eq!(code, 0, "{work}: {}", service.log());
        let (least, most) = (Duration::from_millis(500), Duration::from_millis(2500));
        assert!(least <= took && took < most, "{work} took {took:?}: {}", service.log());
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_does_not_hold_up_the_end() {
    let mut command = Command::new(binary());
    command.env_clear().envs(DRAIN).envs([("REDIS_PASSWORD", "hush"), ("DEMO_WORK", "chatter")]);
    let mut service = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut log = BufReader::new(service.stderr.take().unwrap()).lines();
    // Then it has started, and listens for signals.
    while !log.next_line().await.unwrap().unwrap().contains("and so on") {}
    let asked = Instant::now();
    let pid = service.id().unwrap().to_string();
    assert!(Command::new("kill").arg(&pid).status().await.unwrap().success());
    service.wait().await.unwrap();
    assert!(asked.elapsed() < Duration::from_millis(2500), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn without_work_the_stop_takes_no_longer_than_the_delay() {
    let mut service = start_with_work("none").await;
    let (code, took) = stop(&mut service).await;
    assert_eq!(code, 0);
    assert!(took < Duration::from_millis(1400), "{took:?}: {}", service.log());
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once_whatever_blocks() {
    for work in ["none", "block", "spin"] {
        let limits = [("DRAIN_DELAY", "60s"), ("DRAIN_TIMEOUT", "60s"), ("DEMO_WORK", work)];
        let mut service = start(&limits).await;
        service.signal("TERM").await;
        eventually("the first signal was seen", async || service.log().contains("draining for")).await;
        let asked = Instant::now();
        service.signal("INT").await;
        assert_eq!(service.wait_for_exit().await, 0);
        assert!(asked.elapsed() < Duration::from_secs(1), "{work}: {:?}", asked.elapsed());
        assert!(service.log().contains("second signal: ending at once"), "{}", service.log());
    }
}

#[tokio::test]
async fn a_task_that_fails_or_panics_ends_the_process_with_a_failure_that_names_it() {
    for (work, line) in [("fail", "task fail failed: out of luck"), ("panic", "task panic panicked: ")] {
        let vars = [("REDIS_PASSWORD", "hush"), ("DEMO_WORK", work)];
        let mut service = ServiceProcess::spawn(binary().to_str().unwrap(), &vars);
        assert_eq!(service.wait_for_exit().await, 1);
        let log = service.log();
        assert!(log.contains(line), "{log}");
        assert!(!log.contains("\nERROR forged"), "{log}");
    }
}
