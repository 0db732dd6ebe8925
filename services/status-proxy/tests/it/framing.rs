//! The protocol, case by case.

use crate::support::{World, start_service};

#[tokio::test]
async fn frames_are_treated_as_the_rfc_wants() {
    let redis = World::start().await;
    let service = start_service(&redis, &[]).await;
    test_support::framing::run(service.port(), "/r:a", 65_536).await;
}
