use super::*;

#[test]
fn a_process_is_ready_when_every_gate_is_open() {
    let readiness = Readiness::default();
    assert_eq!(readiness.now(), Ready::Yes(vec![]));
    let (redis, mqtt) = (readiness.gate("redis"), readiness.gate("mqtt"));
    redis.open();
    assert_eq!(readiness.now(), Ready::No(vec!["mqtt: starting".to_owned()]));
    mqtt.note("anonymous");
    assert_eq!(readiness.now(), Ready::Yes(vec!["mqtt: anonymous".to_owned()]));
    redis.close("connection refused");
    assert_eq!(readiness.now(), Ready::No(vec!["redis: connection refused".to_owned()]));
    readiness.drain();
    assert_eq!(readiness.now(), Ready::Draining);
}

#[tokio::test]
async fn a_gate_follows_the_state_of_a_connection() {
    let readiness = Readiness::default();
    let gate = readiness.gate("redis");
    let (sender, receiver) = watch::channel(Err("refused".to_owned()));
    let following = tokio::spawn(gate.follow(receiver));
    sender.send(Ok(None)).unwrap();
    drop(sender);
    following.await.unwrap();
    assert_eq!(readiness.now(), Ready::Yes(vec![]));
}
#[test]
fn each_change_from_open_to_closed_is_counted() {
    let readiness = Readiness::default();
    let gate = readiness.gate("redis");
    gate.close("refused");
    assert_eq!(readiness.gates(), [("redis", false, 0)]);
    for _ in 0..2 {
        gate.open();
        gate.note("slow");
        gate.close("refused");
        gate.close("out of memory");
    }
    assert_eq!(readiness.gates(), [("redis", false, 2)]);
}
