//! Object storages beside Amazon's, and what each of them refuses.

use std::path::PathBuf;
use std::process::Stdio;

use futures_util::future::join_all;
use test_support::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::azurite::Azurite;
use crate::log::{wait_for_log, wait_for_one_line};
use crate::support::{World, report_not_run};
use crate::tables::Tables;

type Vars<'v> = [(&'v str, &'v str)];

/// The program that this variable names. Without it, says that the test is not run.
#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
pub(crate) fn find_program(variable: &str, test: &str) -> Option<PathBuf> {
    let program = std::env::var_os(variable).map(PathBuf::from).filter(|program| program.exists());
    if program.is_none() {
        report_not_run(format!("NOT RUN: {test} needs {variable}, a program"));
    }
    program
}

pub(crate) fn spawn(program: &PathBuf, args: &[&str]) -> Child {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().unwrap()
}

/// Of `localhost`.
pub(crate) fn write_certificate(certificate: &str, key: &str) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(certificate, made.cert.pem()).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
}

/// Two workers write games, and one is killed twice. Every game must be in the bucket once. Returns the rows that it must have.
pub(crate) async fn each_game_is_written_once(
    output: &str,
    vars: &Vars<'_>,
    create_bucket: impl AsyncFn(),
) -> Tables {
    let world = World::start().await;
    let vars = [&[("ETL_OUTPUT", output), ("ETL_LEASE", "2s"), ("ETL_SETTLE", "1s")], vars].concat();
    let (mut a, b) = (world.spawn_worker("a", &vars), world.spawn_worker("b", &vars));
    eventually("the missing bucket is reported", async || {
        let (status, body) = b.get("/ready").await;
        let reason = "there is no such bucket; look at ETL_OUTPUT";
        status == 503 && body.contains(&format!("output: put {output}/.tmp/probe: {reason}"))
    })
    .await;
    wait_for_one_line(&b, "there is no such bucket").await;
    create_bucket().await;
    b.wait_until_ready().await;
    let mut expected = world.simulate(&["--games", "10"]).await;
    for seed in ["7", "8"] {
        expected.add(world.simulate(&["--games", "20", "--rate", "40", "--seed", seed]).await);
        a.kill().await;
        a = world.spawn_worker("a", &vars);
    }
    let games = expected.games();
    for game in &games {
        world.publish_game_ended(game).await;
    }
    world.wait_until_done(&games.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let flags = vars.iter().filter(|(name, _)| *name != "ETL_SETTLE");
    let flags = flags.map(|(name, value)| format!("--{}={value}", name.to_lowercase().replace('_', "-")));
    let args: Vec<String> = flags.chain(["compact".to_owned()]).collect();
    let done = world.run_command(&args.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let [printed, error] = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap());
    let (files, rows) = (2 * games.len(), 2 * expected.meta.len());
    let begins = format!("{files} files became 2; {rows} rows were rewritten to COMPACTED/");
    assert!(printed.starts_with(&begins), "{printed}{error}");
    expected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_game_is_written_to_azure_once() {
    let Some(azurite) = Azurite::start("each_game_is_written_to_azure_once").await else { return };
    let connection = azurite.connection();
    let vars = [("AZURE_STORAGE_CONNECTION_STRING", connection.as_str())];
    each_game_is_written_once("az://games/data", &vars, async || azurite.create_container("games").await)
        .await;
    // A wrong key is one clear line.
    let world = World::start().await;
    let wrong = connection.replace("Eby8", "Abc8");
    let vars = [("ETL_OUTPUT", "az://games/data"), ("AZURE_STORAGE_CONNECTION_STRING", wrong.as_str())];
    let worker = world.spawn_worker("w", &vars);
    let reason = "the key is wrong or may not do this (AuthorizationFailure)";
    eventually("the wrong key is named", async || worker.get("/ready").await.1.contains(reason)).await;
    wait_for_one_line(&worker, reason).await;
}

/// A storage that answers every request with this status and body.
pub(crate) async fn refusing_storage(status: &'static str, body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            tokio::spawn(async move {
                let mut request = [0; 8192];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_storage_refuses_is_one_clear_line() {
    let world = World::start().await;
    let refusals = [
        ("403 Forbidden", "InvalidAccessKeyId", "there is no such access key; look at AWS_ACCESS_KEY_ID"),
        (
            "403 Forbidden",
            "SignatureDoesNotMatch",
            "the secret of the key is wrong; look at AWS_SECRET_ACCESS_KEY",
        ),
        ("403 Forbidden", "RequestTimeTooSkewed", "the clock of this machine is wrong"),
        ("403 Forbidden", "AccessDenied", "the key may not do this"),
        (
            "400 Bad Request",
            "AuthorizationHeaderMalformed",
            "the bucket is in another region; look at AWS_REGION",
        ),
        ("301 Moved Permanently", "PermanentRedirect", "the bucket is in another region; look at AWS_REGION"),
        ("404 Not Found", "NoSuchBucket", "there is no such bucket; look at ETL_OUTPUT"),
    ];
    let is_named = async |(status, code, reason): (&'static str, &str, &str)| {
        let body =
            format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code>\n<Message>No way</Message></Error>");
        let endpoint = refusing_storage(status, body).await;
        let vars = [
            ("ETL_OUTPUT", "s3://games/data"),
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ];
        let worker = world.spawn_worker("w", &vars);
        eventually(code, async || {
            let (status, body) = worker.get("/ready").await;
            status == 503 && body.contains("output: put s3://games/data/") && body.contains(reason)
        })
        .await;
        wait_for_one_line(&worker, reason).await;
    };
    join_all(refusals.into_iter().map(is_named)).await;
}

#[tokio::test]
async fn a_profile_of_aws_tools_says_where_the_storage_is_and_a_missing_one_is_named() {
    let world = World::start().await;
    let body = "<Error><Code>NoSuchBucket</Code></Error>".to_owned();
    let endpoint = refusing_storage("404 Not Found", body).await;
    let dir = tempfile::tempdir().unwrap();
    let [credentials, config] = ["credentials", "config"].map(|name| dir.path().join(name));
    std::fs::write(&credentials, "[games]\naws_access_key_id = k\naws_secret_access_key = s\n").unwrap();
    let role = "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = nobody\n";
    std::fs::write(
        &config,
        format!("[profile games]\nregion = eu-west-1\nendpoint_url = {endpoint}\n{role}"),
    )
    .unwrap();
    let vars = |profile| {
        [
            ("ETL_OUTPUT", "s3://games/data"),
            ("AWS_PROFILE", profile),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap()),
            ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ]
    };
    let worker = world.spawn_worker("w", &vars("games"));
    let reason = "there is no such bucket";
    eventually("the storage is asked", async || worker.get("/ready").await.1.contains(reason)).await;
    let mut wrong = world.spawn_worker("w", &vars("nobody"));
    wait_for_log(&wrong, "AWS_PROFILE: there is no profile nobody in the files of AWS tools").await;
    wrong.kill().await;
    let mut without_source = world.spawn_worker("w", &vars("role"));
    wait_for_log(&without_source, "the profile role has the source_profile nobody, which there is not").await;
    without_source.kill().await;
}
