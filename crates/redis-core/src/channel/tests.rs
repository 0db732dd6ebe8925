use std::collections::BTreeSet;

use super::*;
use crate::tables::{Table, variants};

/// Every channel with the literal text of its contract.
fn for_each(mut test: impl FnMut(Channel<'_>, &str)) {
    let run = RunId::parse("upset;;reckoning").unwrap();
    let wepp = ChannelName::parse("wepp").unwrap();
    test(Channel::Status(&run, &wepp), "upset;;reckoning:wepp");
    test(Channel::StatusPattern, "*:*");
    test(Channel::StatusEpochs, "status-proxy/marks");
    test(Channel::StatusEpochsAt("a1"), "status-proxy/marks/a1");
    test(Channel::StatusProbe("i1"), "status-proxy/probe/i1");
    test(Channel::Keyspace(0, Key::Run(&run)), "__keyspace@0__:upset;;reckoning");
    test(Channel::TimelineChanged(Partition::of("1")), "TIMELINE:CHANGED");
    test(Channel::TimelinePublished, "TIMELINE:PUBLISHED");
    test(Channel::TimelineListening, "TIMELINE:LISTENING");
    test(Channel::ObjectNode { prefix: "scaler:obj:", node: "7f" }, "scaler:obj:_meta:node:7f");
}

#[test]
fn every_channel_is_the_literal_text_of_its_contract() {
    let mut tested = BTreeSet::new();
    for_each(|channel, literal| {
        assert_eq!(channel.to_string(), literal);
        let name = format!("{channel:?}");
        tested.insert(name.split([' ', '(']).next().unwrap_or_default().to_owned());
    });
    assert_eq!(tested, variants(include_str!("../channel.rs"), "Channel"));
}

#[test]
fn every_partition_has_a_channel_of_its_own_on_a_cluster() {
    let partition = Partition::of("1");
    assert_eq!(Channel::TimelineChanged(partition).name(Layout::Cluster), "{TIMELINE:66}:CHANGED");
    for_each(|channel, literal| {
        assert_eq!(channel.name(Layout::One), literal);
        if !matches!(channel, Channel::TimelineChanged(_)) {
            assert_eq!(channel.name(Layout::Cluster), literal);
        }
    });
}

#[test]
fn the_readme_has_one_row_for_every_channel() {
    let table = Table::read("| channel |");
    let mut used = BTreeSet::new();
    for_each(|channel, literal| {
        if channel != Channel::StatusPattern {
            used.insert(table.row_of(literal).name());
        }
    });
    // kafka-ingester names its channel like the key.
    used.insert(table.row_of(&Key::Battery("7").to_string()).name());
    assert_eq!(used, table.names(), "rows of no channel");
}
