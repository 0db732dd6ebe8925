//! Google Cloud Storage, as far as its emulator fake-gcs-server has it. What gives tokens is imitated in `fake_google.py`.

use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{eventually, free_port};
use tokio::process::Child;

use crate::storages::{each_game_is_written_once, find_program, spawn};
use crate::tables::read_tables;

/// A running emulator, which has no bucket yet.
struct FakeGcs {
    endpoint: String,
    _server: Child,
}

impl FakeGcs {
    /// `None`, with a line that says so, where it could not be built.
    async fn start(test: &str) -> Option<Self> {
        let (program, port) = (find_program("BACKPLANE_FAKE_GCS", test)?, free_port().to_string());
        let _server = spawn(&program, &[&port]);
        let endpoint = format!("http://127.0.0.1:{port}");
        let health = format!("{endpoint}/_internal/healthcheck");
        eventually("the emulator answers", async || reqwest::get(&health).await.is_ok()).await;
        Some(Self { endpoint, _server })
    }

    async fn create_bucket(&self, bucket: &str) {
        let request = Client::new().post(format!("{}/storage/v1/b", self.endpoint));
        let created = request.json(&json!({"name": bucket})).send().await.unwrap();
        assert!(created.status().is_success(), "{created:?}");
    }

    /// Downloads the objects whose names begin with this, by the other one of Google's interfaces than the worker uses.
    async fn download(&self, bucket: &str, prefix: &str) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let objects = format!("{}/storage/v1/b/{bucket}/o", self.endpoint);
        let listed: Value =
            reqwest::get(format!("{objects}?prefix={prefix}")).await.unwrap().json().await.unwrap();
        for object in listed["items"].as_array().unwrap() {
            let name = object["name"].as_str().unwrap();
            let mut url = Url::parse(&objects).unwrap();
            url.path_segments_mut().unwrap().push(name);
            url.set_query(Some("alt=media"));
            let bytes = reqwest::get(url).await.unwrap().bytes().await.unwrap();
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        dir
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_game_is_written_to_google_once() {
    let Some(storage) = FakeGcs::start("each_game_is_written_to_google_once").await else { return };
    let vars = [("STORAGE_EMULATOR_HOST", storage.endpoint.as_str())];
    let create_bucket = async || storage.create_bucket("games").await;
    let expected = each_game_is_written_once("gs://games/data", &vars, create_bucket).await;
    let copy = storage.download("games", "data/GAME_").await;
    let written = read_tables(&copy.path().join("data")).unwrap();
    assert!(written == expected, "the objects do not have the expected rows");
}

/// Otherwise the test above would show nothing of two workers that write the same file.
#[tokio::test]
async fn the_emulator_takes_a_second_object_of_a_name_only_where_no_generation_is_named() {
    let test = "the_emulator_takes_a_second_object_of_a_name_only_where_no_generation_is_named";
    let Some(storage) = FakeGcs::start(test).await else { return };
    storage.create_bucket("games").await;
    let put = async |generation: Option<&str>| {
        let mut request = Client::new().request(Method::PUT, format!("{}/games/a%2Fb", storage.endpoint));
        if let Some(generation) = generation {
            request = request.header("x-goog-if-generation-match", generation);
        }
        request.body("x").send().await.unwrap().status()
    };
    assert_eq!(put(Some("0")).await, StatusCode::OK);
    assert_eq!(put(Some("0")).await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(put(None).await, StatusCode::OK);
}
