use tokio::sync::oneshot;

use super::super::record::encode_small_content;
use super::*;

fn id(n: u8) -> ObjectId {
    ObjectId::new(&[n; 32]).unwrap()
}

fn caller() -> ReplyTo {
    ReplyTo::Caller(oneshot::channel().0)
}

fn reply(fields: &[&'static str]) -> Vec<Bytes> {
    fields.iter().map(|field| Bytes::from_static(field.as_bytes())).collect()
}

fn get(ticket: Option<u64>, cached: Option<LoadedObject>) -> OnReply {
    OnReply::Get { id: id(1), ticket, cached, reply_to: caller() }
}

fn duplicate() -> OnReply {
    OnReply::Duplicate { id: id(2), original: id(1), ticket: 7, reply_to: caller() }
}

fn store(upload: Option<&str>) -> OnReply {
    let (content, upload) = (Content::new(Bytes::from_static(b"hello")), upload.map(Arc::from));
    OnReply::Store { id: id(1), content, metadata: Bytes::new(), upload, reply_to: caller() }
}

/// A word for each kind of what can follow.
fn next(settled: &Settled) -> &'static str {
    match &settled.next {
        Next::Respond(_, Response::Done) => "done",
        Next::Respond(_, Response::Absent) => "absent",
        Next::Respond(_, Response::Object(_)) => "object",
        Next::Respond(_, Response::Remote(_)) => "remote",
        Next::Respond(_, Response::Stat(_)) => "stat",
        Next::Respond(_, Response::Refused(_)) => "refused",
        Next::Respond(_, Response::Totals(_)) | Next::RespondTotals(..) => "totals",
        Next::Wait { .. } => "wait",
        Next::Upload { .. } => "upload",
        Next::CopyLegacy { .. } => "copy",
        Next::Copy { .. } => "copy elsewhere",
        Next::Lost(..) => "lost",
        Next::Damaged(..) => "damaged",
        Next::ReadNotifications(_) => "notifications",
        Next::Nothing => "nothing",
    }
}

#[test]
fn each_word_of_the_script_leads_to_what_it_means() {
    let refuse = || OnReply::Refuse { reason: Refused::RedisFull, reply_to: caller() };
    for (on_reply, fields, expected) in [
        (store(None), ["ok"].as_slice(), "done"),
        (store(Some("0123456789abcdef")), &["absent"], "upload"),
        (store(Some("0123456789abcdef")), &["ok"], "done"),
        (get(None, None), &["absent"], "absent"),
        (get(Some(7), None), &["absent"], "wait"),
        (get(Some(7), None), &["object", "no record"], "damaged"),
        (get(Some(7), None), &["legacy", "12"], "remote"),
        (get(Some(7), None), &["refused"], "refused"),
        (get(Some(7), None), &["lost"], "lost"),
        (get(Some(7), None), &["damaged"], "damaged"),
        (duplicate(), &["ok"], "done"),
        (duplicate(), &["absent"], "wait"),
        (duplicate(), &["legacy", "12"], "copy"),
        (duplicate(), &["refused"], "refused"),
        (duplicate(), &["lost"], "lost"),
        (duplicate(), &["damaged"], "damaged"),
        (OnReply::Delete { reply_to: caller() }, &["ok"], "done"),
        (OnReply::Delete { reply_to: caller() }, &["absent"], "absent"),
        (OnReply::Stat { id: id(1), reply_to: caller() }, &["stat", "5", "text/plain", "60"], "stat"),
        (OnReply::Stat { id: id(1), reply_to: caller() }, &["absent"], "absent"),
        (OnReply::Stat { id: id(1), reply_to: caller() }, &["damaged"], "damaged"),
        (OnReply::Reject { reply_to: caller() }, &["ok"], "absent"),
        (refuse(), &["ok"], "refused"),
        (OnReply::Totals { reply_to: caller() }, &["totals", "3", "2", "10"], "totals"),
        (OnReply::Notifications, &["notifications", "1:4:7:7,12refused"], "notifications"),
        (OnReply::Recheck { ticket: 7 }, &["absent"], "nothing"),
        (OnReply::Ignore, &["ok"], "nothing"),
    ] {
        assert_eq!(next(&settle(0, on_reply, &reply(fields))), expected, "{fields:?}");
    }
}

#[test]
fn those_who_waited_get_what_was_stored_or_that_it_was_refused() {
    let settled = settle(0, store(None), &reply(&["ok", "7,12"]));
    let woken = settled.woken.unwrap();
    let record = Record::new(blake3::hash(b"hello").as_bytes(), None, 5, b"");
    assert_eq!(woken.tickets, [7, 12]);
    assert_eq!(woken.outcome, Outcome::Stored(LoadedObject { record, data: Some("hello".into()) }));
    assert!(settle(0, store(None), &reply(&["ok"])).woken.is_none(), "nobody waited");

    let woken = settle(0, OnReply::Reject { reply_to: caller() }, &reply(&["ok", "9"])).woken.unwrap();
    assert_eq!((woken.tickets, woken.outcome), (vec![9], Outcome::Refused));
}

#[test]
fn what_was_read_and_what_was_uploaded_is_learned() {
    let record = Record::new(&[1; 32], None, 5, b"");
    let fields = [Bytes::from("object"), record.bytes().clone(), encode_small_content(b"hello")];
    let settled = settle(0, get(None, None), &fields);
    let object = LoadedObject { record, data: Some("hello".into()) };
    assert_eq!(next(&settled), "object");
    assert!(
        matches!(settled.learned, Some(Learned::Object(known, learned)) if known == id(1) && learned == object)
    );

    let unchanged = settle(0, get(None, Some(object)), &reply(&["unchanged"]));
    assert!(next(&unchanged) == "object" && unchanged.learned.is_none());

    let uploaded = settle(0, store(Some("0123456789abcdef")), &reply(&["ok"]));
    assert!(matches!(uploaded.learned, Some(Learned::Content(_, data)) if data == "hello"));
    assert!(
        settle(0, store(None), &reply(&["ok"])).learned.is_none(),
        "a small content is read with its record"
    );
}
