//! Where the keys of Google's storage come from, and what it and Azure's refuse.

use test_support::{eventually, find_python, free_port};

use crate::log::wait_for_one_line;
use crate::storages::{refusing_storage, spawn, write_certificate};
use crate::support::World;

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
