//! The protocol, case by case.

use crate::support::TestEnv;

#[tokio::test]
async fn frames_are_treated_as_the_rfc_wants() {
    let env = TestEnv::start(&[]).await;
    test_support::framing::run(env.service.port(), "/run", 65_536).await;
}
