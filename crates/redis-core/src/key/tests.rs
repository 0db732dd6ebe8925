use std::collections::BTreeSet;

use super::*;
use crate::tables::{Table, variants};

#[test]
fn a_hash_slot_is_that_of_redis_cluster() {
    // As CLUSTER KEYSLOT says.
    assert_eq!([hash_slot("foo"), hash_slot("somekey")], [12182, 11058]);
}

/// Every key with the literal text of its contract and its type in Redis. What is only a prefix of keys has the type
/// `prefix`.
fn for_each(mut test: impl FnMut(Key<'_>, &str, &str)) {
    let customer = CustomerId::parse("1").unwrap();
    let run = RunId::parse("upset-reckoning").unwrap();
    let game = GameToken::parse("g1").unwrap();
    let user = UserToken::parse("u1").unwrap();
    let partition = Partition::of("1");
    test(Key::Scenario(&customer), "SCENARIO:1", "list");
    test(Key::Scenarios(partition), "SCENARIOS", "zset");
    test(Key::Playback(&customer), "PLAYBACK:1", "string");
    test(Key::Timeline(partition), "TIMELINE:CURRENT", "zset");
    test(Key::TimelineMeta(partition), "TIMELINE:META", "hash");
    test(Key::TimelineInstances(partition), "TIMELINE:INSTANCES", "zset");
    test(Key::TimelinePartitions(partition), "TIMELINE:LANES", "hash");
    test(Key::TimelineLoops(partition), "TIMELINE:LOOPS", "zset");
    test(Key::TimelineDeadLetters(partition), "TIMELINE:DEAD", "stream");
    test(Key::TimelinePosts(&customer), "TIMELINE:POSTS:1", "string");
    test(Key::TimelineTrace(&customer), "TIMELINE:TRACE:1", "string");
    let recording = RecordingName::parse("walk").unwrap();
    test(Key::Recording(&recording), "RECORDING:walk", "hash");
    test(Key::Recordings(partition), "RECORDINGS", "zset");
    test(Key::RecordingPlayback(&recording), "RECORDINGS:PLAYBACK:walk", "string");
    test(Key::RecordingLoops(partition), "RECORDINGS:LOOPS", "zset");
    test(Key::RecordingTrace(&recording), "RECORDINGS:TRACE:walk", "string");
    test(Key::Battery("7"), "battery:7:data", "hash");
    test(Key::DeadLetters, "kafka-ingester:dead-letters", "stream");
    test(Key::DeadLettersForwarder, "kafka-ingester:dead-letters:forwarder", "string");
    test(Key::KafkaVersion { key: "k" }, "kafka-ingester:version:k", "string");
    let (group, topic, partition, slot) = ("g", "t", 0, 12_182);
    test(Key::KafkaOffsets { group, topic, partition }, "kafka-ingester:g:t:offsets", "hash");
    test(Key::KafkaSlot { group, topic, slot }, "kafka-ingester:slot:12182:g:t", "hash");
    test(Key::KafkaWitness { group, topic, slot }, "kafka-ingester:witness:12182:g:t", "hash");
    test(Key::KafkaDeadOffsets { group, topic, partition }, "kafka-ingester:dead:g:t:0", "zset");
    test(Key::Run(&run), "upset-reckoning", "hash");
    test(Key::PreflightCanary("7f-1"), "preflight:canary:7f-1", "hash");
    let tag = "7";
    test(Key::StatusEpoch { tag }, "status-proxy:mark", "string");
    test(Key::StatusRecorder { tag }, "status-proxy:recorder", "string");
    test(Key::StatusRecorded { tag, node: "a1" }, "status-proxy:recorded", "hash");
    let channel = "upset-reckoning:wepp";
    test(Key::StatusHistory { tag, channel }, "status-proxy:history:upset-reckoning:wepp", "stream");
    test(
        Key::StatusChannels { tag, run: "upset-reckoning" },
        "status-proxy:channels:upset-reckoning",
        "zset",
    );
    test(Key::Game(&game), "games:g1", "set");
    test(Key::GameSuperhero(&game, &user), "games:g1:superheros:u1", "hash");
    test(Key::GameSuperheros(&game), "games:g1:superheros", "set");
    test(Key::GameLogs(&game), "games:g1:logs", "list");
    test(Key::GameOrder(&game), "games:g1:order", "list");
    test(Key::GameStatus(&game), "games:g1:status", "string");
    test(Key::GameParticipants(&game), "games:g1:participants", "string");
    test(Key::GameHost(&game), "games:g1:host", "string");
    test(Key::GamesParticipants, "games:participants", "zset");
    test(Key::GamesOfPlayers(4), "games:players:4", "list");
    test(Key::GamesOfParticipants(4), "games:participants:4", "list");
    test(Key::EtlJobs, "etl:jobs", "stream");
    test(Key::EtlDead, "etl:dead", "stream");
    test(Key::EtlGame(&game), "etl:game:g1", "hash");
    test(Key::EtlSettling(&game), "etl:settling:g1", "string");
    test(Key::EtlPart("dt=2026-11-21/b1.gz.parquet"), "etl:part:dt=2026-11-21/b1.gz.parquet", "hash");
    test(Key::EtlOpenParts, "etl:open-parts", "set");
    test(Key::EtlReconciler, "etl:reconciler", "string");
    test(Key::EtlDays, "etl:days", "hash");
    test(Key::EtlCleaning, "etl:cleaning", "zset");
    test(Key::ConnectionCheck, "backplane:check", "none");
    test(Key::Object("scaler:obj:", "00ff"), "scaler:obj:00ff", "hash");
    test(Key::ObjectPartition { prefix: "scaler:obj:", tag: "7" }, "scaler:obj:{7}:", "prefix");
    test(Key::ObjectPartitions("scaler:obj:"), "scaler:obj:_meta:partitions", "string");
    test(Key::ObjectMeta("scaler:obj:"), "scaler:obj:_meta:", "prefix");
    test(Key::ObjectContents("scaler:obj:"), "scaler:obj:_meta:content:", "prefix");
    test(Key::ObjectChunks("scaler:obj:"), "scaler:obj:_meta:chunk:", "prefix");
    test(
        Key::ObjectChunk { prefix: "scaler:obj:", upload: "7f", index: 2 },
        "scaler:obj:_meta:chunk:7f:2",
        "string",
    );
    test(Key::ObjectGarbage("scaler:obj:"), "scaler:obj:_meta:garbage", "zset");
    test(Key::ObjectWaiters("scaler:obj:", "00ff"), "scaler:obj:_meta:wait:00ff", "zset");
    test(Key::ObjectWaited("scaler:obj:"), "scaler:obj:_meta:waited", "string");
    test(Key::ObjectRefused("scaler:obj:"), "scaler:obj:_meta:refused", "string");
    test(Key::ObjectRefusedId("scaler:obj:", "00ff"), "scaler:obj:_meta:refused:00ff", "string");
    test(Key::ObjectNotifications("scaler:obj:", "7f"), "scaler:obj:_meta:mail:7f", "zset");
    test(Key::ObjectNodeAlive("scaler:obj:", "7f"), "scaler:obj:_meta:alive:7f", "string");
    test(Key::ObjectBatch("scaler:obj:", "7f"), "scaler:obj:_meta:batch:7f", "hash");
    test(Key::ObjectTrial("scaler:obj:", "7f"), "scaler:obj:_meta:batch:7f:trial", "none");
    test(Key::ObjectHolds("scaler:obj:"), "scaler:obj:_meta:holds", "zset");
    test(Key::ObjectStats("scaler:obj:"), "scaler:obj:_meta:stats", "hash");
    test(Key::ObjectTotalSize("scaler:obj:"), "scaler:obj:_meta:total_size", "string");
}

#[test]
fn every_layout_is_the_literal_text_of_its_contract() {
    let mut tested = BTreeSet::new();
    for_each(|key, literal, _| {
        assert_eq!(key.to_string(), literal);
        let name = format!("{key:?}");
        tested.insert(name.split([' ', '(']).next().unwrap_or_default().to_owned());
    });
    assert_eq!(tested, variants(include_str!("../key.rs"), "Key"));
}

/// Every key that has another name on a Cluster, with the literal text of it.
fn for_each_on_cluster(mut test: impl FnMut(Key<'_>, &str)) {
    let tag = "7";
    test(Key::StatusEpoch { tag }, "status-proxy:{7}:mark");
    test(Key::StatusRecorder { tag }, "status-proxy:{7}:recorder");
    test(Key::StatusRecorded { tag, node: "a1" }, "status-proxy:{7}:recorded:a1");
    let channel = "upset-reckoning:wepp";
    test(Key::StatusHistory { tag, channel }, "status-proxy:{7}:history:upset-reckoning:wepp");
    test(Key::StatusChannels { tag, run: "upset-reckoning" }, "status-proxy:{7}:channels:upset-reckoning");
    let (customer, recording) = (CustomerId::parse("1").unwrap(), RecordingName::parse("walk").unwrap());
    let partition = Partition::of("1");
    test(Key::Scenario(&customer), "{TIMELINE:66}:SCENARIO:1");
    test(Key::Scenarios(partition), "{TIMELINE:66}:SCENARIOS");
    test(Key::Playback(&customer), "{TIMELINE:66}:PLAYBACK:1");
    test(Key::Timeline(partition), "{TIMELINE:66}:CURRENT");
    test(Key::TimelineMeta(partition), "{TIMELINE:66}:META");
    test(Key::TimelineInstances(partition), "{TIMELINE:66}:INSTANCES");
    test(Key::TimelinePartitions(partition), "{TIMELINE:66}:LANES");
    test(Key::TimelineLoops(partition), "{TIMELINE:66}:LOOPS");
    test(Key::TimelineDeadLetters(partition), "{TIMELINE:66}:DEAD");
    test(Key::TimelinePosts(&customer), "{TIMELINE:66}:POSTS:1");
    test(Key::TimelineTrace(&customer), "{TIMELINE:66}:TRACE:1");
    test(Key::Recording(&recording), "{TIMELINE:306}:RECORDING:walk");
    test(Key::Recordings(partition), "{TIMELINE:66}:RECORDINGS");
    test(Key::RecordingPlayback(&recording), "{TIMELINE:306}:RECORDINGS:PLAYBACK:walk");
    test(Key::RecordingLoops(partition), "{TIMELINE:66}:RECORDINGS:LOOPS");
    test(Key::RecordingTrace(&recording), "{TIMELINE:306}:RECORDINGS:TRACE:walk");
    let game = GameToken::parse("g1").unwrap();
    test(Key::EtlJobs, "{etl}:jobs");
    test(Key::EtlDead, "{etl}:dead");
    test(Key::EtlGame(&game), "{etl}:game:g1");
    test(Key::EtlSettling(&game), "{etl}:settling:g1");
    test(Key::EtlPart("dt=2026-11-21/b1.gz.parquet"), "{etl}:part:dt=2026-11-21/b1.gz.parquet");
    test(Key::EtlOpenParts, "{etl}:open-parts");
    test(Key::EtlReconciler, "{etl}:reconciler");
    test(Key::EtlDays, "{etl}:days");
    test(Key::EtlCleaning, "{etl}:cleaning");
    let (group, topic, partition, slot) = ("g", "t", 0, 12_182);
    test(Key::KafkaVersion { key: "foo" }, "kafka-ingester:version:{43681}:foo");
    test(Key::KafkaOffsets { group, topic, partition }, "kafka-ingester:{g:t:0}:offsets");
    test(Key::KafkaSlot { group, topic, slot }, "kafka-ingester:slot:{43681}:g:t");
    test(Key::KafkaWitness { group, topic, slot }, "kafka-ingester:witness:{43681}:g:t");
    let dead = "kafka-ingester:dead:{kafka-ingester:dead-letters}:g:t:0";
    test(Key::KafkaDeadOffsets { group, topic, partition }, dead);
    let partition = "scaler:obj:{7}:";
    test(Key::Object(partition, "00ff"), "scaler:obj:{7}:00ff");
    test(Key::ObjectContents(partition), "scaler:obj:{7}:_meta:content:");
    test(Key::ObjectChunk { prefix: partition, upload: "7f", index: 2 }, "scaler:obj:{7}:_meta:chunk:7f:2");
    test(Key::ObjectGarbage(partition), "scaler:obj:{7}:_meta:garbage");
    test(Key::ObjectWaiters(partition, "00ff"), "scaler:obj:{7}:_meta:wait:00ff");
    test(Key::ObjectWaited(partition), "scaler:obj:{7}:_meta:waited");
    test(Key::ObjectRefused(partition), "scaler:obj:{7}:_meta:refused");
    test(Key::ObjectRefusedId(partition, "00ff"), "scaler:obj:{7}:_meta:refused:00ff");
    test(Key::ObjectNotifications(partition, "7f"), "scaler:obj:{7}:_meta:mail:7f");
    test(Key::ObjectNodeAlive(partition, "7f"), "scaler:obj:{7}:_meta:alive:7f");
    test(Key::ObjectBatch(partition, "7f"), "scaler:obj:{7}:_meta:batch:7f");
    test(Key::ObjectTrial(partition, "7f"), "scaler:obj:{7}:_meta:batch:7f:trial");
    test(Key::ObjectHolds(partition), "scaler:obj:{7}:_meta:holds");
    test(Key::ObjectStats(partition), "scaler:obj:{7}:_meta:stats");
    test(Key::ObjectTotalSize(partition), "scaler:obj:{7}:_meta:total_size");
}

#[test]
fn a_key_is_in_the_slot_that_its_tag_stands_for() {
    for slot in 0..16_384 {
        assert_eq!(hash_slot(Key::KafkaSlot { group: "{g}", topic: "t", slot }.name(Layout::Cluster)), slot);
    }
    for key in ["battery:7:data", "{7}:data", "a{7}b}", "a}b", "a{}b", "{", ""] {
        assert_eq!(hash_slot(Key::KafkaVersion { key }.name(Layout::Cluster)), hash_slot(key), "{key}");
    }
    let dead_letters = hash_slot(Key::DeadLetters.to_string());
    let dead_offsets = Key::KafkaDeadOffsets { group: "g", topic: "t", partition: 0 };
    assert_eq!(hash_slot(dead_offsets.name(Layout::Cluster)), dead_letters);
}

#[test]
fn every_name_on_a_cluster_is_the_literal_text_and_all_others_are_the_same() {
    let variant = |key: Key<'_>| format!("{key:?}").split([' ', '(']).next().unwrap_or_default().to_owned();
    let mut tagged = BTreeSet::new();
    for_each_on_cluster(|key, literal| {
        assert_eq!(key.name(Layout::Cluster), literal);
        tagged.insert(variant(key));
    });
    for_each(|key, literal, _| {
        assert_eq!(key.name(Layout::One), literal);
        if !tagged.contains(&variant(key)) {
            assert_eq!(key.name(Layout::Cluster), literal);
        }
    });
}

#[test]
fn the_readme_says_which_keys_have_another_name_on_a_cluster() {
    let table = Table::read("| key |");
    let mut tagged = BTreeSet::new();
    for_each_on_cluster(|key, literal| {
        let row = table.row_of(&with_value(key.to_string()));
        assert!(row.is_on_cluster(&with_value(literal.to_owned())), "{literal} is not as the README says");
        tagged.insert(row.name());
    });
    let rows = table.names().into_iter().filter(|name| !table.row(name).is_the_same_on_cluster());
    assert_eq!(rows.collect::<BTreeSet<_>>(), tagged);
}

#[test]
fn the_readme_has_one_row_for_every_key_and_its_type() {
    let table = Table::read("| key |");
    let mut used = BTreeSet::new();
    for_each(|_, literal, kind| {
        let name = with_value(literal.to_owned());
        if kind == "prefix" && name == literal {
            return;
        }
        let kind = if kind == "prefix" { "string" } else { kind };
        let row = table.row_of(&name);
        let words = row.cell(1);
        let is_kind = words.strip_prefix(kind).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
        assert!(is_kind, "{name} is a {kind}, and the README says: {words}");
        used.insert(row.name());
    });
    assert_eq!(used, table.names(), "rows of no key");
}

/// With a value for the only part of a name that is no text.
fn with_value(name: String) -> String {
    if name.ends_with(":content:") { name + "HASH" } else { name }
}
