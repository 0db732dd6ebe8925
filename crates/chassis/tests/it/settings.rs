use std::fs::write;

use test_support::free_port;

use crate::{refusal, run, start};

#[tokio::test]
async fn a_secret_can_come_from_a_file_with_and_without_the_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    write(&file, "seven l\n").unwrap();
    for name in ["REDIS_PASSWORD_FILE", "DEMO_REDIS_PASSWORD_FILE"] {
        let vars = [("REDIS_PASSWORD", ""), (name, file.to_str().unwrap())];
        let service = start(&vars).await;
        assert!(service.log().contains("the password has 7 letters"), "{}", service.log());
    }
}

#[tokio::test]
async fn what_cannot_be_used_ends_the_process_with_2_and_one_line_that_names_it() {
    let set = ("REDIS_PASSWORD", "hush");
    let no_such = ("REDIS_PASSWORD_FILE", "/no/such");
    type Vars<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(Vars, &[&str], &str)] = &[
        (&[], &[], "demo: REDIS_PASSWORD must be set\n"),
        (&[("REDIS_PASSWORD", "1234")], &[], "demo: REDIS_PASSWORD must be a better one\n"),
        (&[set, no_such], &[], "demo: REDIS_PASSWORD_FILE must not be set together with REDIS_PASSWORD\n"),
        (&[no_such], &[], "demo: REDIS_PASSWORD_FILE must name a file that can be read: No such file"),
        (&[("REDIS_PASSWORD", "\"hush\"")], &[], "demo: REDIS_PASSWORD must not be in quotes;"),
        (
            &[set],
            &["--redis-pasword=x"],
            "demo: unexpected argument '--redis-pasword' found; tip: a similar argument exists: '--redis-password'\n",
        ),
        (&[set], &["serve"], "demo: unexpected argument 'serve' found\n"),
        (&[set, ("DEMO_WORK", "sleep")], &[], "demo: DEMO_WORK must be one of none, block,"),
    ];
    for (vars, args, expected) in cases {
        let (code, error) = refusal(vars, args).await;
        assert!(error.starts_with(expected), "{vars:?} {args:?}: {error}");
        assert_eq!((code, error.lines().count()), (Some(2), 1), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }
}

#[tokio::test]
async fn a_dotenv_file_that_cannot_be_read_is_refused_by_line_and_name() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join(".env"), "# it's for Compose\nDEMO_WORK=none\nexport REDIS_PASSWORD='hush\n")
        .unwrap();
    let output = run(dir.path(), &[], &[]).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
    assert!(error.starts_with("demo: line 3 of .env (\"REDIS_PASSWORD\") must be NAME=VALUE; "), "{error}");
    // Quotes are cut, so the value is the one that is refused here.
    write(dir.path().join(".env"), "export REDIS_PASSWORD=\"1234\" # a comment\n").unwrap();
    let output = run(dir.path(), &[], &[]).await;
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "demo: REDIS_PASSWORD must be a better one\n");
}

#[tokio::test]
async fn a_misspelt_variable_is_a_warning_with_the_nearest_setting() {
    let service = start(&[("DEMO_WROK", "spin"), ("HOME", "/root")]).await;
    let log = service.log();
    assert!(log.contains("WARN DEMO_WROK is no setting of demo: is DEMO_WORK meant?"), "{log}");
    assert_eq!(log.matches("is no setting").count(), 1, "{log}");
}

#[tokio::test]
async fn the_health_flag_needs_the_address_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join(".env"), "no pair").unwrap();
    let service = start(&[]).await;
    let health = async |vars: &[(&str, &str)], args: &[&str]| {
        let output = run(dir.path(), vars, &[&["--health"], args].concat()).await;
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let address = format!(":{}", service.port());
    let wrong = ("DEMO_WORK", "sleep");
    assert_eq!(health(&[("LISTEN_ADDR", &address), wrong], &[]).await, (Some(0), String::new()));
    let own = [("LISTEN_ADDR", ":1"), ("DEMO_LISTEN_ADDR", address.as_str())];
    assert_eq!(health(&own, &[]).await, (Some(0), String::new()));
    assert_eq!(health(&[], &["--listen-addr", &address]).await, (Some(0), String::new()));
    let nobody = format!(":{}", free_port());
    assert_eq!(health(&[("LISTEN_ADDR", &nobody)], &[]).await, (Some(1), String::new()));
    let (code, error) = health(&[("LISTEN_ADDR", "here")], &[]).await;
    assert_eq!((code, error.as_str()), (Some(2), "demo: LISTEN_ADDR must be HOST:PORT or :PORT\n"));
}

#[tokio::test]
async fn the_help_names_the_secrets_and_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &[("REDIS_PASSWORD", "hush")], &["--help"]).await;
    let help = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        help.contains("NAME_FILE is its path. Secrets are OPERATOR_TOKEN, REDIS_PASSWORD, DEMO_TOKEN_KEY."),
        "{help}"
    );
    assert!(!help.contains("hush"), "{help}");
}
