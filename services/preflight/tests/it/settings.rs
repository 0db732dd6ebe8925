//! Settings, and the errors for those that cannot be used.

use fred::interfaces::HashesInterface;
use test_support::ServiceProcess;

use crate::support::{BINARY, TestEnv};

#[tokio::test]
async fn the_wepppy_checklist_is_built_in() {
    let env = TestEnv::start(&[("PREFLIGHT_RULES", "wepppy")]).await;
    let fields =
        [("timestamps:build_channels", "1"), ("timestamps:find_outlet", "2"), ("timestamps:run_rhem", "3")];
    env.producer("run").hset::<(), _, _>("run", fields.to_vec()).await.unwrap();
    let checklist = env.watch("run").await.next_checklist().await;
    assert_eq!(checklist["checklist"].as_object().unwrap().len(), 18);
    assert_eq!(
        (&checklist["checklist"]["outlet"], &checklist["checklist"]["rhem"]),
        (&true.into(), &true.into())
    );
}

#[tokio::test]
async fn a_rules_file_defines_the_checklist_of_another_pipeline() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let rules =
        "lock_statuses = [\"build\"]\n[checklist]\nbuilt = { time = \"build\", newer-than = \"sources\" }\n";
    std::fs::write(&file, rules).unwrap();
    let env = TestEnv::start(&[("PREFLIGHT_RULES", file.path().to_str().unwrap())]).await;
    let fields = [("timestamps:sources", "1"), ("timestamps:build", "2")];
    env.producer("run").hset::<(), _, _>("run", fields.to_vec()).await.unwrap();
    assert_eq!(
        env.watch("run").await.next_text().await,
        r#"{"type":"preflight","checklist":{"built":true},"lock_statuses":{"build":false},"last_modified":2}"#
    );
}

#[tokio::test]
async fn an_invalid_setting_ends_the_process_with_one_line_and_exit_code_2() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "[checklist]\nok = { present = \"a\" }\nbuilt = { newer = \"a\" }\n").unwrap();
    let rules = file.path().to_str().unwrap();
    for (variable, text, problem) in [
        (
            "PREFLIGHT_RULES",
            rules,
            format!(
                "must be a rules file without errors: {rules} line 3: \"newer\" is not known: must be present, \
                 not-empty, is-true, all, any, or time with newer-than"
            ),
        ),
        (
            "PREFLIGHT_RULES",
            "/no/such.toml",
            "must be weppcloud2, wepppy or the path of a rules file: read /no/such.toml: \
             No such file or directory (os error 2)"
                .to_owned(),
        ),
        ("PREFLIGHT_PING_INTERVAL", "0", "must be longer than nothing".to_owned()),
        ("PREFLIGHT_PING_INTERVAL", "soon", "must be a duration such as 5s, 500ms or 1m30s".to_owned()),
        ("PREFLIGHT_PONG_TIMEOUT", "5s", "must be longer than PREFLIGHT_PING_INTERVAL".to_owned()),
    ] {
        let mut service = ServiceProcess::spawn(BINARY, &[(variable, text)]);
        assert_eq!(service.wait_for_exit().await, 2);
        assert_eq!(service.log(), format!("preflight: {variable} {problem}\n"));
    }
}

#[tokio::test]
async fn with_its_port_taken_it_exits_with_code_1_and_every_line_of_its_log_is_json() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let vars =
        [("LISTEN_ADDR", address.as_str()), ("LOG_FORMAT", "json"), ("REDIS_URL", "redis://127.0.0.1:1")];
    let mut service = ServiceProcess::spawn(BINARY, &vars);
    assert_eq!(service.wait_for_exit().await, 1);
    let log = service.log();
    for line in log.lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok_and(|event| event.is_object()),
            "{line}"
        );
    }
    assert!(log.lines().any(|line| line.contains(&address)), "{log}");
}

#[tokio::test]
async fn metrics_can_be_turned_off() {
    let env = TestEnv::start(&[("PREFLIGHT_METRICS_ENABLED", "false")]).await;
    assert_eq!(env.service.get("/metrics").await.0, 404);
    assert_eq!(env.service.get("/health").await.0, 200);
}
