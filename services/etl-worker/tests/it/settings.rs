use tokio::process::Command;

use crate::support::{BINARY, World};

#[tokio::test]
async fn an_invalid_setting_ends_the_process_with_one_line() {
    let refused = Command::new(BINARY).env_clear().env("ETL_OUTPUT", "ftp://x").output().await.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let line = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(
        line,
        "etl-worker: ETL_OUTPUT must be a folder, s3://BUCKET[/PREFIX], az://CONTAINER[/PREFIX] or gs://BUCKET[/PREFIX]\n"
    );
}

#[tokio::test]
async fn an_endpoint_that_is_none_is_refused_by_name_wherever_it_stands() {
    let account = [("AZURE_STORAGE_ACCOUNT_NAME", "games")];
    let connection =
        ("AZURE_STORAGE_CONNECTION_STRING", "AccountName=games;AccountKey=a2V5;BlobEndpoint=minio:9000");
    for (output, name, others) in [
        ("s3://games", "AWS_ENDPOINT_URL", &[][..]),
        ("s3://games", "AWS_ENDPOINT", &[]),
        ("s3://games", "AWS_ENDPOINT_URL_S3", &[]),
        ("s3://games", "AWS_ENDPOINT_URL_STS", &[]),
        ("s3://games", "AWS_EC2_METADATA_SERVICE_ENDPOINT", &[]),
        ("s3://games", "AWS_CONTAINER_CREDENTIALS_FULL_URI", &[]),
        ("az://games", "AZURE_STORAGE_ENDPOINT", &account),
        ("az://games", "AZURE_STORAGE_CONNECTION_STRING", &[connection]),
        ("az://games", "AZURE_AUTHORITY_HOST", &account),
        ("az://games", "IDENTITY_ENDPOINT", &account),
        ("gs://games", "STORAGE_EMULATOR_HOST", &[]),
        ("gs://games", "GOOGLE_BASE_URL", &[]),
    ] {
        let vars = [[("ETL_OUTPUT", output), (name, "minio:9000")].as_slice(), others].concat();
        let refused = Command::new(BINARY).env_clear().env("LISTEN_ADDR", "127.0.0.1:0").envs(vars).output();
        let refused = refused.await.unwrap();
        let log = String::from_utf8(refused.stderr).unwrap();
        let must = log.split_once(name).map(|(_, rest)| rest.contains("must be http://HOST"));
        assert!(!refused.status.success() && must == Some(true), "{name}: {log}");
        assert!(!log.contains("panicked"), "{log}");
    }
}

#[tokio::test]
async fn help_and_the_readme_list_every_setting() {
    let help = Command::new(BINARY).env_clear().arg("--help").output().await.unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let readme = include_str!("../../README.md");
    let variables: Vec<&str> =
        help.split("[env: ").skip(1).filter_map(|rest| rest.split([']', '=']).next()).collect();
    assert!(variables.len() > 20, "{variables:?}");
    for variable in variables {
        assert!(readme.contains(&format!("`{variable}`")), "{variable} is not in the README");
    }
}

#[tokio::test]
async fn a_command_without_redis_fails_with_a_clear_error() {
    let mut world = World::start_on_one().await;
    world.redis.kill().await;
    let listed = world.run_command(&["dead", "list"]).await;
    assert_eq!(listed.status.code(), Some(1));
    let error = String::from_utf8(listed.stderr).unwrap();
    assert!(error.contains(" ERROR connect to redis at 127.0.0.1:") && error.lines().count() == 1, "{error}");
}
