use super::*;
use clap::Parser;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    process: ProcessSettings,
}

fn lifecycle() -> Lifecycle {
    let cli = Cli::parse_from(["test", "--listen-addr=:0", "--drain-delay=10ms", "--drain-timeout=200ms"]);
    Lifecycle::new(&cli.process)
}

#[tokio::test]
async fn a_crashed_task_ends_the_service_with_a_failure_after_the_others_have_ended() {
    let lifecycle = lifecycle();
    let stopping = lifecycle.stopping();
    let (ended, others_end) = tokio::sync::oneshot::channel();
    lifecycle.spawn("steady", async move {
        stopping.cancelled().await;
        ended.send(()).map_err(|()| anyhow::anyhow!("nobody waits"))
    });
    lifecycle.spawn("broken", async { anyhow::bail!("out of luck") });
    assert_eq!(lifecycle.run().await, ExitCode::FAILURE);
    others_end.await.unwrap();
}

#[tokio::test]
async fn outside_of_a_process_of_its_own_a_service_ends_no_process_also_with_a_deaf_task() {
    // Together they take longer than the first one's limit and what is granted beyond it.
    for _ in 0..5 {
        let lifecycle = lifecycle();
        lifecycle.spawn("deaf", std::future::pending());
        lifecycle.spawn("broken", async { panic!("out of luck") });
        assert_eq!(lifecycle.run().await, ExitCode::FAILURE);
    }
}
