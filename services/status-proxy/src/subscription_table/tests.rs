use tokio::sync::mpsc;

use super::*;

fn new_table() -> (Subscriptions, mpsc::UnboundedReceiver<SubscriptionCommand>, SubscriptionTable) {
    let (subscriptions, commands) = Subscriptions::new();
    let table = SubscriptionTable::new(subscriptions.clone(), 2);
    (subscriptions, commands, table)
}

fn apply_all(table: &mut SubscriptionTable, commands: &mut mpsc::UnboundedReceiver<SubscriptionCommand>) {
    while let Ok(command) = commands.try_recv() {
        table.apply(command);
    }
}

fn refusal(waiter: &mut oneshot::Receiver<Subscribed>) -> Option<SubscribeRefusal> {
    waiter.try_recv().unwrap().err()
}

#[test]
fn channels_beyond_the_limit_are_refused_and_those_that_nobody_waits_for_do_not_count() {
    let (subscriptions, mut commands, mut table) = new_table();
    drop(subscriptions.subscribe("r:gone"));
    let _waiting = [subscriptions.subscribe("r:a"), subscriptions.subscribe("r:b")];
    let (mut full, mut known) = (subscriptions.subscribe("r:c"), subscriptions.subscribe("r:a"));
    apply_all(&mut table, &mut commands);
    assert_eq!(refusal(&mut full), Some(SubscribeRefusal::TooManyChannels));
    assert!(known.try_recv().is_err(), "it waits for Redis");
    assert_eq!(table.channels().count(), 2);
}

#[test]
fn a_channel_is_subscribed_once_and_unsubscribed_after_the_last_release() {
    let (subscriptions, mut commands, mut table) = new_table();
    let (mut one, mut two) = (subscriptions.subscribe("r:a"), subscriptions.subscribe("r:a"));
    apply_all(&mut table, &mut commands);
    assert_eq!(table.pending(), ["r:a".into()]);
    assert!(one.try_recv().is_err(), "it is not confirmed yet");
    table.confirm(&"r:a".into());
    let (one, two) = (one.try_recv().unwrap().unwrap(), two.try_recv().unwrap().unwrap());
    let mut three = subscriptions.subscribe("r:a");
    apply_all(&mut table, &mut commands);
    let three = three.try_recv().expect("it is confirmed already").unwrap();
    assert!(table.pending().is_empty());
    drop((one, two));
    apply_all(&mut table, &mut commands);
    assert!(table.take_unused().is_empty());
    drop(three);
    apply_all(&mut table, &mut commands);
    assert_eq!(table.take_unused(), ["r:a".into()]);
}

#[test]
fn a_waiter_that_has_gone_keeps_no_subscription() {
    let (subscriptions, mut commands, mut table) = new_table();
    drop(subscriptions.subscribe("r:a"));
    apply_all(&mut table, &mut commands);
    table.confirm(&"r:a".into());
    apply_all(&mut table, &mut commands);
    assert_eq!(table.take_unused(), ["r:a".into()]);
    assert_eq!(table.channels().count(), 0);
}

#[test]
fn whole_runs_are_counted_until_nobody_uses_or_may_use_them() {
    let (subscriptions, mut commands, mut table) = new_table();
    let (all, refused): (Arc<str>, Arc<str>) = ("r:*".into(), "s:*".into());
    let _waiting = [subscriptions.subscribe(&all), subscriptions.subscribe(&refused)];
    apply_all(&mut table, &mut commands);
    table.refuse(&refused);
    table.confirm(&all);
    assert!(table.has_whole_runs());
    drop(_waiting);
    apply_all(&mut table, &mut commands);
    assert!(!table.has_whole_runs());
    drop([subscriptions.subscribe("t:*"), subscriptions.subscribe("u:*")]);
    let _room = subscriptions.subscribe("r:a");
    apply_all(&mut table, &mut commands);
    assert!(!table.has_whole_runs(), "nobody waits for them any more");
}

#[test]
fn a_channel_that_is_used_again_before_it_is_unsubscribed_stays_subscribed() {
    let (subscriptions, mut commands, mut table) = new_table();
    let mut first = subscriptions.subscribe("r:a");
    apply_all(&mut table, &mut commands);
    table.confirm(&"r:a".into());
    drop(first.try_recv().unwrap().unwrap());
    apply_all(&mut table, &mut commands);
    let mut again = subscriptions.subscribe("r:a");
    apply_all(&mut table, &mut commands);
    assert!(again.try_recv().is_ok() && table.take_unused().is_empty());
}

#[test]
fn after_a_reconnect_every_channel_in_use_is_pending() {
    let (subscriptions, mut commands, mut table) = new_table();
    let _waiter = subscriptions.subscribe("r:a");
    apply_all(&mut table, &mut commands);
    table.confirm(&"r:a".into());
    table.reset();
    assert_eq!(table.pending(), ["r:a".into()]);
}

#[test]
fn a_channel_that_is_lost_alone_is_pending_for_as_long_as_it_is_used() {
    let (subscriptions, mut commands, mut table) = new_table();
    let [one, other]: [Arc<str>; 2] = ["r:a".into(), "r:b".into()];
    let mut viewers = [&one, &other].map(|channel| subscriptions.subscribe(channel));
    apply_all(&mut table, &mut commands);
    [&one, &other].into_iter().for_each(|channel| table.confirm(channel));
    let guards = viewers.each_mut().map(|viewer| viewer.try_recv().unwrap().unwrap());
    table.lose(&one);
    let mut late = subscriptions.subscribe("r:a");
    apply_all(&mut table, &mut commands);
    assert!(late.try_recv().is_err() && table.pending() == [one.clone()]);
    table.confirm(&one);
    assert!(late.try_recv().is_ok());
    drop(guards);
    apply_all(&mut table, &mut commands);
    table.lose(&one);
    assert!(table.pending().is_empty() && !table.is_used("r:a"));
}

#[test]
fn a_forbidden_channel_refuses_its_waiters_and_is_tried_again_for_its_viewers() {
    let (subscriptions, mut commands, mut table) = new_table();
    let channel: Arc<str> = "r:a".into();
    let mut viewer = subscriptions.subscribe("r:a");
    apply_all(&mut table, &mut commands);
    table.confirm(&channel);
    let guard = viewer.try_recv().unwrap().unwrap();
    table.reset();
    let mut waiter = subscriptions.subscribe("r:a");
    apply_all(&mut table, &mut commands);
    table.refuse(&channel);
    assert_eq!(refusal(&mut waiter), Some(SubscribeRefusal::Forbidden));
    assert!(table.pending().is_empty());
    assert_eq!(table.forbidden(), std::slice::from_ref(&channel));
    let mut late = subscriptions.subscribe("r:a");
    apply_all(&mut table, &mut commands);
    assert_eq!(refusal(&mut late), Some(SubscribeRefusal::Forbidden));
    drop(guard);
    apply_all(&mut table, &mut commands);
    assert!(table.forbidden().is_empty() && table.take_unused().is_empty());
    assert_eq!(table.channels().count(), 0);
}
