//! Where keys of AWS come from, and what is said if there are none.

use std::cell::Cell;
use std::path::PathBuf;

use tempfile::TempDir;
use test_support::{ServiceProcess, eventually, find_python, free_port};
use tokio::process::Child;

use crate::log::wait_for_one_line;
use crate::s3::Storage;
use crate::storages::{spawn, write_certificate};
use crate::support::World;
use crate::tables::read_tables;

type Var<'v> = (&'v str, &'v str);

/// Stand-ins for what gives keys of AWS, and moto, which has the objects and is STS.
struct Aws {
    moto: Storage,
    /// Of the stand-ins, which hand on to moto what is for the storage.
    endpoint: String,
    /// The same with TLS.
    with_tls: String,
    certificate: String,
    world: World,
    dir: TempDir,
    _server: Child,
}

impl Aws {
    async fn start(python: PathBuf) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [certificate, key] =
            ["cert.pem", "key.pem"].map(|name| dir.path().join(name).to_str().unwrap().to_owned());
        write_certificate(&certificate, &key);
        let [port, tls_port] = [free_port(), free_port()].map(|port| port.to_string());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/aws_keys.py");
        let moto = Storage::start(python.clone()).await;
        moto.create_bucket("games").await;
        let storage = moto.url("");
        let args = [script, &port, &tls_port, &certificate, &key, storage.trim_end_matches('/')];
        let server = spawn(&python, &args);
        let (endpoint, with_tls) =
            (format!("http://127.0.0.1:{port}"), format!("https://localhost:{tls_port}"));
        eventually("the stand-ins answer", async || reqwest::get(format!("{endpoint}/seen")).await.is_ok())
            .await;
        let world = World::start().await;
        Self { moto, endpoint, with_tls, certificate, world, dir, _server: server }
    }

    /// Writes a file. Returns its path.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Starts a worker without waiting.
    fn spawn(&self, source: &[Var]) -> ServiceProcess {
        let storage = [("ETL_OUTPUT", "s3://games/data"), ("AWS_ENDPOINT_URL", self.endpoint.as_str())];
        self.world.spawn_worker("w", &[&storage[..], source].concat())
    }

    /// The signatures that were sent with this key to a service of a region.
    async fn seen(&self, key: &str, region: &str, service: &str) -> Vec<String> {
        let seen = reqwest::get(format!("{}/seen", self.endpoint)).await.unwrap().text().await.unwrap();
        let mut seen: Vec<String> = serde_json::from_str(&seen).unwrap();
        let (key, region) = (format!("Credential={key}"), format!("/{region}/{service}/"));
        seen.retain(|line| line.contains(&key) && line.contains(&region));
        seen
    }

    async fn play(&self, game: &str) {
        self.world.play_small_game(game).await;
        self.world.publish_game_ended(game).await;
        self.world.wait_until_done(&[game]).await;
    }

    /// A game must be written with a key of this source in this region.
    async fn is_used(&self, source: &[Var<'_>], key: &str, region: &str) {
        let worker = self.spawn(source);
        eventually(&format!("{key} is used in {region}\n{}", worker.log()), async || {
            !self.seen(key, region, "s3").await.is_empty()
        })
        .await;
        self.play(&format!("by-{key}-in-{region}")).await;
    }

    /// The reason must be one line, and that of `/ready`.
    async fn is_refused(&self, source: &[Var<'_>], reason: &str) {
        let worker = self.spawn(source);
        eventually(reason, async || worker.get("/ready").await.1.contains(reason)).await;
        wait_for_one_line(&worker, reason).await;
    }

    async fn games(&self) -> usize {
        let copy = self.moto.download("games", "data").await;
        read_tables(&copy.path().join("data")).unwrap().games().len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_regions_come_from_where_every_aws_tool_reads_them() {
    let test = "keys_and_regions_come_from_where_every_aws_tool_reads_them";
    let Some(python) = find_python(test) else { return };
    let aws = Aws::start(python).await;
    let [web, container] = ["web", "container"].map(|name| aws.write(name, &format!("{name}-token")));
    let credentials = aws.write(
        "credentials",
        "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s\n\
         [games]\naws_access_key_id = GAMES\naws_secret_access_key = s\n",
    );
    let config = aws.write("config", "[profile games]\nregion = ap-south-1\n");
    let container_keys = format!("{}/container", aws.endpoint);
    let own_key = [("AWS_ACCESS_KEY_ID", "OWN"), ("AWS_SECRET_ACCESS_KEY", "s")];
    let files = [("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()), ("AWS_CONFIG_FILE", config.as_str())];
    let web_identity = |token| {
        [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token),
            ("AWS_ROLE_ARN", ROLE),
            ("AWS_ENDPOINT_URL_STS", aws.with_tls.as_str()),
            ("SSL_CERT_FILE", aws.certificate.as_str()),
        ]
    };
    let of_container = |name, token| {
        // An empty variable is none.
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", container_keys.as_str()), (name, token), ("AWS_PROFILE", "")]
    };
    // ECS has the keys of a task at an address of its own, which the stand-in is the proxy to.
    let of_task = [
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/of-task"),
        ("HTTP_PROXY", aws.endpoint.as_str()),
        ("NO_PROXY", "127.0.0.1"),
    ];
    let of_machine = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.endpoint.as_str())];
    let games = [("AWS_PROFILE", "games")];
    let token_file = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
    let sources = [
        ([&own_key[..], &[("AWS_DEFAULT_REGION", "eu-west-3")]].concat(), "OWN", "eu-west-3"),
        (
            [&own_key[..], &[("AWS_DEFAULT_REGION", "eu-west-3"), ("AWS_REGION", "eu-west-1")]].concat(),
            "OWN",
            "eu-west-1",
        ),
        ([&own_key[..], &files, &games].concat(), "OWN", "ap-south-1"),
        (files.to_vec(), "DEFAULT", "us-east-1"),
        ([&files[..], &games].concat(), "GAMES", "ap-south-1"),
        (web_identity(&web).to_vec(), "WEB", "us-east-1"),
        (of_container(token_file, &container).to_vec(), "CONTAINER", "us-east-1"),
        (of_task.to_vec(), "TASK", "us-east-1"),
        (of_machine.to_vec(), "MACHINE", "us-east-1"),
    ];
    for (source, key, region) in &sources {
        aws.is_used(source, key, region).await;
    }
    // The same with the token itself.
    let worker = aws.spawn(&of_container("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token"));
    worker.wait_until_ready().await;
    aws.play("by-token").await;
    assert_eq!(aws.games().await, sources.len() + 1);
    drop(worker);

    aws.is_refused(&web_identity(&container), "InvalidIdentityToken").await;
    aws.is_refused(&of_container(token_file, &web), "403").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_may_take_its_keys_from_a_program_a_role_or_a_single_sign_on_and_they_are_renewed() {
    let test = "a_profile_may_take_its_keys_from_a_program_a_role_or_a_single_sign_on_and_they_are_renewed";
    let Some(python) = find_python(test) else { return };
    let program = python.to_str().unwrap().to_owned();
    let aws = Aws::start(python).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/aws_process.py");
    let counter = aws.dir.path().join("counter");
    let web = aws.write("web", "web-token");
    let config = format!(
        "[profile program]\ncredential_process = {program} {script} {}\n\
         [profile broken]\ncredential_process = /nowhere\n\
         [profile user]\naws_access_key_id = USER\naws_secret_access_key = s\n\
         [profile role]\nrole_arn = {ROLE}\nsource_profile = user\nregion = eu-west-1\n\
         [profile task]\nrole_arn = {ROLE}\ncredential_source = EcsContainer\nregion = eu-west-2\n\
         [profile pod]\nrole_arn = {ROLE}\nweb_identity_token_file = {web}\nregion = eu-west-3\n\
         [profile person]\nsso_session = games\nsso_account_id = 123456789012\nsso_role_name = Games\n\
         [profile stranger]\nsso_session = games\nsso_account_id = 123456789012\nsso_role_name = Others\n\
         [profile no-session]\nsso_session = none\nsso_account_id = 1\nsso_role_name = Games\n\
         [sso-session games]\nsso_region = us-east-1\nsso_start_url = https://games.awsapps.com/start\n",
        counter.display(),
    );
    let config = aws.write("config", &config);
    // The token of `aws sso login`, in a file named by the hash of the session's name.
    aws.write(
        ".aws/sso/cache/dd27204535de317c6202952eeb2043fad52e3fec.json",
        r#"{"accessToken": "sso-token", "expiresAt": "2099-01-01T00:00:00Z", "region": "us-east-1"}"#,
    );
    let home = aws.dir.path().to_str().unwrap();
    let of_profile = |name| {
        vec![
            ("AWS_PROFILE", name),
            ("AWS_CONFIG_FILE", config.as_str()),
            ("HOME", home),
            ("AWS_ENDPOINT_URL_STS", aws.endpoint.as_str()),
            ("AWS_ENDPOINT_URL_SSO", aws.endpoint.as_str()),
        ]
    };
    // moto gives out keys that begin so.
    let assumed = "ASIA";
    aws.is_used(&of_profile("role"), assumed, "eu-west-1").await;
    assert!(!aws.seen("USER/", "eu-west-1", "sts").await.is_empty(), "the user asked for the role");
    let keys = format!("{}/container", aws.endpoint);
    let of_container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", keys.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token"),
    ];
    aws.is_used(&[&of_profile("task")[..], &of_container].concat(), assumed, "eu-west-2").await;
    assert!(!aws.seen("CONTAINER/", "eu-west-2", "sts").await.is_empty(), "the container asked for the role");
    let with_tls = [("AWS_ENDPOINT_URL_STS", aws.with_tls.as_str()), ("SSL_CERT_FILE", &aws.certificate)];
    aws.is_used(&[&of_profile("pod")[..], &with_tls].concat(), "WEB", "eu-west-3").await;
    aws.is_used(&of_profile("person"), "SSO", "us-east-1").await;

    // The program's keys expire after three seconds.
    let worker = aws.spawn(&of_profile("program"));
    let games = Cell::new(0);
    eventually("the keys are renewed twice", async || {
        games.set(games.get() + 1);
        aws.play(&format!("by-program-{}", games.get())).await;
        !aws.seen("PROCESS3/", "us-east-1", "s3").await.is_empty()
    })
    .await;
    drop(worker);
    assert_eq!(aws.games().await, 4 + games.get());

    aws.is_refused(&of_profile("stranger"), "Session token not found or invalid").await;
    aws.is_refused(&of_profile("broken"), "/nowhere").await;
    // What is wrong with a profile is said as long as it is wrong.
    aws.is_refused(&of_profile("no-session"), "sso-session named `none`").await;
    let nothing = [("HOME", home), ("AWS_EC2_METADATA_DISABLED", "true")];
    aws.is_refused(
        &nothing,
        "neither variables, a profile, a web identity, a container nor the machine has any",
    )
    .await;
}

const ROLE: &str = "arn:aws:iam::123456789012:role/games";
