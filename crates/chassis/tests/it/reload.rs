use test_support::eventually;

use crate::start;

#[tokio::test]
async fn a_sighup_ends_nothing() {
    let mut service = start(&[]).await;
    service.signal("HUP").await;
    eventually("it is logged", async || service.log().contains("SIGHUP: nothing to read again")).await;
    assert_eq!(service.get("/health").await.0, 200);
    assert_eq!(service.terminate().await, 0);
}

#[tokio::test]
async fn a_sighup_reads_a_secrets_file_again_and_keeps_the_old_one_if_it_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "four").unwrap();
    let service = start(&[("DEMO_TOKEN_KEY_FILE", file.to_str().unwrap())]).await;
    std::fs::write(&file, "sixteen letters!").unwrap();
    service.signal("HUP").await;
    eventually("it was read again", async || {
        let log = service.log();
        log.contains("the token key has 16 letters") && log.contains("SIGHUP: the token key was read again")
    })
    .await;
    std::fs::remove_file(&file).unwrap();
    service.signal("HUP").await;
    let refused =
        "SIGHUP: the token key cannot be read again, so nothing changes: DEMO_TOKEN_KEY_FILE must name";
    eventually("the failure is logged", async || service.log().contains(refused)).await;
    assert_eq!(service.get("/health").await.0, 200);
}
