use super::*;
use crate::Config;

/// A batch of these values, from offset 10 on.
fn batch(values: &[&str]) -> Batch {
    let vars = [("KAFKA_TOPIC", "t"), ("KAFKA_BROKER", "b"), ("KAFKA_GROUP", "g")];
    let config = chassis::settings::from_vars::<Config>(vars).unwrap();
    let (policy, mut batch) = (config.mapping.policy().unwrap(), Batch::default());
    for (value, offset) in values.iter().zip(10..) {
        let record = Record { value: Some(value.as_bytes()), ..Record::default() };
        batch.push(&policy, None, offset, &record).unwrap();
    }
    batch
}

const GOOD: &str = r#"{"battery_id":1}"#;

#[test]
fn a_tally_counts_rows_and_ends_where_too_many_messages_in_a_row_are_bad() {
    let tally = |end, applied, dead_letters, bad_in_row| Tally { end, applied, dead_letters, bad_in_row };
    let rows = r#"[{"battery_id":1},{"battery_id":2}]"#;
    assert_eq!(batch(&[GOOD, "bad", rows, "bad"]).tally(14, 0, 2), tally(14, 3, 2, 1));
    assert_eq!(batch(&["bad", "bad", "bad", GOOD]).tally(14, 0, 2), tally(12, 0, 2, 2));
    assert_eq!(batch(&["bad", GOOD]).tally(12, 2, 2), tally(10, 0, 0, 2));
    assert_eq!(batch(&[GOOD, "bad"]).tally(12, 2, 2), tally(12, 1, 1, 1));
    assert_eq!(batch(&["bad", "bad"]).tally(12, 7, 0), tally(12, 0, 2, 9));
}

#[test]
fn the_messages_of_a_slot_are_in_order_and_a_refused_one_is_in_none() {
    let mut batch = batch(&[
        r#"{"battery_id":1,"a":"first"}"#,
        r#"{"battery_id":2,"a":"other"}"#,
        r#"{"battery_id":1,"a":"last"}"#,
    ]);
    let text = |messages: &SlotMessages<'_>| String::from_utf8_lossy(&messages.encode()).into_owned();
    let slot = hash_slot("battery:1:data");
    let of_slot = |batch: &Batch, offsets| {
        let slots = batch.by_slot(offsets);
        slots.iter().find(|messages| messages.slot == slot).map(text)
    };
    assert_eq!(batch.by_slot(10..13).len(), 2);
    let both = of_slot(&batch, 10..13).unwrap();
    assert!(both.find("first").unwrap() < both.find("last").unwrap() && !both.contains("other"));
    assert!(!of_slot(&batch, 10..12).unwrap().contains("last"));
    batch.make_dead_letter(10, "redis: no");
    assert!(!of_slot(&batch, 10..13).unwrap().contains("first"));
    let mut part = ShardPart::default();
    batch.add_dead_letters(10..13, &mut part);
    assert!(String::from_utf8_lossy(&part.encode()).contains("redis: no"));
}
