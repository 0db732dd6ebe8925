use super::*;
use crate::header::RequestKind;
use crate::id::ObjectId;

fn header() -> Option<RequestHeader> {
    let id = ObjectId::new(&[7; 32]).unwrap();
    Some(RequestHeader { id, payload_length: 5, request_id: 1, kind: RequestKind::Set })
}

fn connect(link: &mut Link) -> (Arc<Signals>, oneshot::Sender<Option<RequestHeader>>, Predecessor) {
    let (signals, (sender, handover)) = (Arc::<Signals>::default(), oneshot::channel());
    let predecessor = link.attach(Arc::clone(&signals), handover);
    (signals, sender, predecessor)
}

#[test]
fn a_client_that_was_reset_and_comes_back_goes_on_with_its_header() {
    let mut link = Link::default();
    let (first, _, predecessor) = connect(&mut link);
    assert!(matches!(predecessor, Predecessor::Ended(None)));
    assert!(link.detach(&first, header()).is_ok());
    let (second, _, predecessor) = connect(&mut link);
    assert!(matches!(predecessor, Predecessor::Ended(pending) if pending == header()));
    assert!(link.is_current(&second) && !link.is_current(&first));
}

#[test]
fn a_connection_that_is_replaced_hands_its_header_to_the_newer_one() {
    let mut link = Link::default();
    let (older, sender, _) = connect(&mut link);
    let (newer, _, predecessor) = connect(&mut link);
    assert!(older.replaced.is_cancelled() && !newer.replaced.is_cancelled());
    let pending = link.detach(&older, header()).unwrap_err();
    sender.send(pending).unwrap();
    let Predecessor::Ending(mut handover) = predecessor else { panic!("the older one had not ended") };
    assert_eq!(handover.try_recv(), Ok(header()));
    assert!(link.is_current(&newer), "it is still there");
}

#[test]
fn only_the_newest_connection_says_that_the_client_has_gone() {
    let mut link = Link::default();
    let (older, _, _) = connect(&mut link);
    let (newer, _, _) = connect(&mut link);
    assert!(!link.close(&older));
    assert!(link.close(&newer));
    assert!(matches!(link, Link::Gone));
    assert!(!link.expire(Duration::ZERO), "it went before");
}

#[test]
fn a_client_that_stays_away_has_gone_after_the_grace() {
    let mut link = Link::default();
    let (connection, _, _) = connect(&mut link);
    assert!(!link.expire(Duration::ZERO), "it is connected");
    assert!(link.detach(&connection, None).is_ok());
    assert!(!link.expire(Duration::from_secs(60)));
    assert!(link.expire(Duration::ZERO));
    assert!(matches!(link, Link::Gone));
}

#[test]
fn others_wait_for_a_client_that_is_owed_something_and_reads() {
    let mut link = Link::default();
    assert!(!link.is_awaited(true), "it is not connected");
    connect(&mut link);
    assert!(link.is_awaited(true) && !link.is_awaited(false));
    link.change_delivery(Delivery::taken);
    assert!(link.is_awaited(false), "what was taken is not written yet");
    link.change_delivery(|delivery| delivery.written(true));
    assert!(!link.is_awaited(false));
}

#[test]
fn nobody_waits_again_for_a_slow_client_before_it_has_everything() {
    let slow = Delivery::NotAwaited;
    assert_eq!(slow.taken(), slow);
    assert_eq!(slow.written(true), slow);
    assert_eq!(slow.written(false), Delivery::Done);
    assert_eq!(Delivery::Done.taken(), Delivery::Writing);
    assert_eq!(Delivery::Writing.written(true), Delivery::Done);
}
