//! Where the keys of an object storage come from, and what is said if there are none.

use test_support::{eventually, find_python, free_port};

use crate::log::wait_for_one_line;
use crate::s3::Storage;
use crate::storages::{refusing_storage, spawn};
use crate::support::World;
use crate::tables::read_tables;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_regions_come_from_where_every_aws_tool_reads_them() {
    let test = "keys_and_regions_come_from_where_every_aws_tool_reads_them";
    let Some(python) = find_python(test) else { return };
    let dir = tempfile::tempdir().unwrap();
    let [certificate, key, web, container, credentials, config] =
        ["cert.pem", "key.pem", "web", "container", "credentials", "config"]
            .map(|name| dir.path().join(name).to_str().unwrap().to_owned());
    write_certificate(&certificate, &key);
    let [port, tls_port] = [free_port(), free_port()].map(|port| port.to_string());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/aws_keys.py");
    let moto = Storage::start(python.clone()).await;
    moto.create_bucket("games").await;
    let storage = moto.url("");
    let args = [script, &port, &tls_port, &certificate, &key, storage.trim_end_matches('/')];
    let _server = spawn(&python, &args);
    let endpoint = format!("http://127.0.0.1:{port}");
    eventually("the stand-ins answer", async || reqwest::get(format!("{endpoint}/seen")).await.is_ok()).await;
    std::fs::write(&web, "web-token").unwrap();
    std::fs::write(&container, "container-token").unwrap();
    std::fs::write(
        &credentials,
        "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s\n\
         [games]\naws_access_key_id = GAMES\naws_secret_access_key = s\n",
    )
    .unwrap();
    std::fs::write(&config, "[profile games]\nregion = ap-south-1\n").unwrap();

    let sts = format!("https://localhost:{tls_port}");
    let container_keys = format!("{endpoint}/container");
    let own_key = [("AWS_ACCESS_KEY_ID", "OWN"), ("AWS_SECRET_ACCESS_KEY", "s")];
    let files = [("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()), ("AWS_CONFIG_FILE", config.as_str())];
    let web_identity = |token| {
        [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/games"),
            ("AWS_ENDPOINT_URL_STS", sts.as_str()),
            ("SSL_CERT_FILE", certificate.as_str()),
        ]
    };
    let of_container = |token| {
        [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container_keys.as_str()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token),
        ]
    };
    // ECS has the keys of a task at an address of its own, which the stand-in is the proxy to.
    let of_task = [
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/of-task"),
        ("HTTP_PROXY", endpoint.as_str()),
        ("NO_PROXY", "127.0.0.1"),
    ];
    let of_machine = [("AWS_METADATA_ENDPOINT", endpoint.as_str())];
    let sources = [
        ([&own_key[..], &[("AWS_DEFAULT_REGION", "eu-west-3")]].concat(), "OWN", "eu-west-3"),
        (
            [&own_key[..], &[("AWS_DEFAULT_REGION", "eu-west-3"), ("AWS_REGION", "eu-west-1")]].concat(),
            "OWN",
            "eu-west-1",
        ),
        ([&own_key[..], &files, &[("AWS_PROFILE", "games")]].concat(), "OWN", "us-east-1"),
        (files.to_vec(), "DEFAULT", "us-east-1"),
        ([&files[..], &[("AWS_PROFILE", "games")]].concat(), "GAMES", "ap-south-1"),
        (web_identity(&web).to_vec(), "WEB", "us-east-1"),
        (of_container(&container).to_vec(), "CONTAINER", "us-east-1"),
        (of_task.to_vec(), "TASK", "us-east-1"),
        (of_machine.to_vec(), "MACHINE", "us-east-1"),
    ];
    let world = World::start().await;
    let storage = [("ETL_OUTPUT", "s3://games/data"), ("AWS_ENDPOINT_URL", endpoint.as_str())];
    for (source, key, region) in sources.clone() {
        let worker = world.start_worker("w", &[&storage[..], &source].concat()).await;
        let signed = format!("Credential={key}/");
        eventually(&format!("{key} is used in {region}"), async || {
            let seen = reqwest::get(format!("{endpoint}/seen")).await.unwrap().text().await.unwrap();
            let seen: Vec<String> = serde_json::from_str(&seen).unwrap();
            seen.iter().any(|line| line.contains(&signed) && line.contains(&format!("/{region}/s3/")))
        })
        .await;
        let game = format!("by-{key}-in-{region}");
        world.play_small_game(&game).await;
        world.publish_game_ended(&game).await;
        world.wait_until_done(&[&game]).await;
        drop(worker);
    }
    let written = read_tables(&moto.download("games", "data").await.path().join("data")).unwrap();
    assert_eq!(written.games().len(), sources.len());
    // A token that is refused is one line, and the reason of /ready.
    for (source, reason) in [
        (web_identity(&container).to_vec(), "InvalidIdentityToken"),
        (of_container(&web).to_vec(), "403 Forbidden"),
    ] {
        let worker = world.spawn_worker("w", &[&storage[..], &source].concat());
        eventually(reason, async || worker.get("/ready").await.1.contains(reason)).await;
        wait_for_one_line(&worker, reason).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_and_a_machine_of_google_have_tokens_and_a_key_that_google_does_not_know_is_one_line()
 {
    let test = "a_service_account_and_a_machine_of_google_have_tokens";
    let Some(python) = find_python(test) else { return };
    let dir = tempfile::tempdir().unwrap();
    let [certificate, key, account, refused, metadata] =
        ["cert.pem", "key.pem", "account.json", "refused.json", "metadata"]
            .map(|name| dir.path().join(name).to_str().unwrap().to_owned());
    write_certificate(&certificate, &key);
    let port = free_port().to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fake_google.py");
    let _server = spawn(&python, &[script, &port, &certificate, &key, dir.path().to_str().unwrap()]);
    let endpoint = format!("https://localhost:{port}");
    let machine = || std::fs::read_to_string(&metadata).unwrap_or_default();
    eventually("there are keys", async || !machine().is_empty()).await;
    let machine = machine();
    let storage = [
        ("ETL_OUTPUT", "gs://games/data"),
        ("GOOGLE_BASE_URL", endpoint.as_str()),
        ("SSL_CERT_FILE", certificate.as_str()),
    ];
    let world = World::start().await;
    for (game, source) in [
        ("by-account", ("GOOGLE_SERVICE_ACCOUNT", account.as_str())),
        ("by-default", ("GOOGLE_APPLICATION_CREDENTIALS", account.as_str())),
        ("by-machine", ("GCE_METADATA_HOST", machine.as_str())),
    ] {
        let worker = world.start_worker("w", &[&storage[..], &[source]].concat()).await;
        world.play_small_game(game).await;
        world.publish_game_ended(game).await;
        world.wait_until_done(&[game]).await;
        drop(worker);
    }
    let unknown = ("GOOGLE_SERVICE_ACCOUNT", refused.as_str());
    let worker = world.spawn_worker("w", &[&storage[..], &[unknown]].concat());
    let reason = "AuthenticationRequired";
    eventually(reason, async || worker.get("/ready").await.1.contains(reason)).await;
    wait_for_one_line(&worker, reason).await;
}

/// Of `localhost`.
pub(crate) fn write_certificate(certificate: &str, key: &str) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(certificate, made.cert.pem()).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_azure_and_google_refuse_is_one_clear_line_too() {
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    // What Azure says if the clock is more than 15 minutes wrong, or the key is another one.
    let body = "<?xml version=\"1.0\"?>\n<Error><Code>AuthenticationFailed</Code>\n<Message>No way</Message></Error>";
    let azure = refusing_storage("403 Server failed to authenticate the request", body.to_owned()).await;
    let connection = format!("AccountName=a;AccountKey=a2V5;BlobEndpoint={azure}/a");
    let broken = dir.path().join("account.json");
    std::fs::write(&broken, "{ \"type\": \"service_account\" ").unwrap();
    for (output, name, value, reason) in [
        (
            "az://games/data",
            "AZURE_STORAGE_CONNECTION_STRING",
            connection.as_str(),
            "the key of the account or the token of the identity is wrong, or the clock of this machine",
        ),
        ("az://games/data", "AZURE_STORAGE_ACCOUNT_NAME", "", "must be set"),
        ("gs://games/data", "GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json", "/nowhere.json"),
        ("gs://games/data", "GOOGLE_APPLICATION_CREDENTIALS", broken.to_str().unwrap(), "EOF"),
    ] {
        let vars = [("ETL_OUTPUT", output), (name, value)];
        let vars: Vec<_> = vars.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let worker = world.spawn_worker("w", &vars);
        wait_for_one_line(&worker, reason).await;
    }
}
