//! Identities of Azure: of an application with a secret, of a cluster's pods, and of machines.

use test_support::{eventually, find_python, free_port};

use crate::azurite::{ACCOUNT, Azurite};
use crate::log::wait_for_one_line;
use crate::storages::{spawn, write_certificate};
use crate::support::World;

const TENANT: &str = "11111111-1111-1111-1111-111111111111";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_identity_of_azure_has_tokens_and_what_is_refused_is_one_clear_line() {
    let test = "every_identity_of_azure_has_tokens_and_what_is_refused_is_one_clear_line";
    let Some(python) = find_python(test) else { return };
    let dir = tempfile::tempdir().unwrap();
    let [certificate, key, pod] =
        ["cert.pem", "key.pem", "pod"].map(|name| dir.path().join(name).to_str().unwrap().to_owned());
    write_certificate(&certificate, &key);
    let Some(azurite) = Azurite::start_with(test, Some((&certificate, &key))).await else { return };
    azurite.create_container("games").await;
    let [port, tls_port] = [free_port(), free_port()].map(|port| port.to_string());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/azure_tokens.py");
    let _server = spawn(&python, &[script, &port, &tls_port, &certificate, &key]);
    let (tokens, authority) = (format!("http://127.0.0.1:{port}"), format!("https://localhost:{tls_port}"));
    let refused = async || -> u64 {
        let number = reqwest::get(format!("{tokens}/refused")).await.unwrap().text().await.unwrap();
        number.parse().unwrap()
    };
    eventually("the stand-ins answer", async || reqwest::get(format!("{tokens}/refused")).await.is_ok())
        .await;
    std::fs::write(&pod, "token-of-the-cluster").unwrap();

    let storage = [
        ("ETL_OUTPUT", "az://games/data"),
        ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT),
        ("AZURE_STORAGE_ENDPOINT", azurite.endpoint.as_str()),
        ("SSL_CERT_FILE", certificate.as_str()),
    ];
    let application = |client, tenant, secret| {
        [
            ("AZURE_CLIENT_ID", client),
            ("AZURE_TENANT_ID", tenant),
            ("AZURE_CLIENT_SECRET", secret),
            ("AZURE_AUTHORITY_HOST", authority.as_str()),
        ]
    };
    // As the webhook of Azure's Kubernetes sets them, and an empty variable, which is none.
    let with_slash = format!("{authority}/");
    let of_pod = |file| {
        [
            ("AZURE_CLIENT_ID", "app"),
            ("AZURE_TENANT_ID", TENANT),
            ("AZURE_CLIENT_SECRET", ""),
            ("AZURE_FEDERATED_TOKEN_FILE", file),
            ("AZURE_AUTHORITY_HOST", with_slash.as_str()),
        ]
    };
    let of_machine = |client| {
        [("AZURE_CLIENT_ID", client), ("HTTP_PROXY", tokens.as_str()), ("NO_PROXY", "127.0.0.1,localhost")]
    };
    let address = format!("{tokens}/msi/token");
    let of_app_service = [("IDENTITY_ENDPOINT", address.as_str()), ("IDENTITY_HEADER", "secret")];
    let world = World::start().await;
    for (game, source) in [
        ("by-application", application("app", TENANT, "right").to_vec()),
        ("by-pod", of_pod(&pod).to_vec()),
        ("by-machine", of_machine("").to_vec()),
        ("by-assigned", of_machine("assigned").to_vec()),
        ("by-app-service", of_app_service.to_vec()),
    ] {
        let worker = world.start_worker("w", &[&storage[..], &source].concat()).await;
        world.play_small_game(game).await;
        world.publish_game_ended(game).await;
        world.wait_until_done(&[game]).await;
        drop(worker);
    }
    assert_eq!(refused().await, 0);

    for (source, reason, is_asked_again) in [
        (
            application("app", TENANT, "wrong").to_vec(),
            "the identity is refused: AADSTS7000215: Invalid client secret provided.",
            true,
        ),
        (
            application("app", "nobody", "right").to_vec(),
            "the identity is refused: AADSTS90002: Tenant 'nobody' not found.",
            true,
        ),
        (application("elsewhere", TENANT, "right").to_vec(), "the token of the identity is wrong", false),
        (of_pod("/nowhere").to_vec(), "the file that AZURE_FEDERATED_TOKEN_FILE names cannot be read", false),
        (of_machine("nobody").to_vec(), "Identity not found", true),
    ] {
        let before = refused().await;
        let worker = world.spawn_worker("w", &[&storage[..], &source].concat());
        eventually(reason, async || worker.get("/ready").await.1.contains(reason)).await;
        if is_asked_again {
            eventually("it asks again", async || refused().await > before + 2).await;
        }
        wait_for_one_line(&worker, reason).await;
    }
}
