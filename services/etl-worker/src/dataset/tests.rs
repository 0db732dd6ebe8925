use std::sync::Arc;

use super::*;
use crate::table::{Rows, Value};

const ENTRY: &str = r#"{"TIMESTAMP":"2022-10-01T12:00:00Z","PAYLOAD":{"GAME_TOKEN":"g","USER_TOKEN":"ann"},"STATUS":{"ACTION":"ATTACK","DETAILS":{"ENEMY_TOKEN":"bob","ENEMY_DAMAGE":1200,"ENEMY_HEALTH_PRIOR":5000,"ENEMY_HEALTH_POST":3800}}}"#;

/// A player's row in both tables.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    user_token: String,
    superhero_id: i128,
    rank: i128,
    rounds: i128,
    damage_received: i128,
    damage_sent: i128,
}

fn superhero() -> Arc<Dataset> {
    load(SUPERHERO).unwrap()
}

fn record(user_token: &str, superhero_id: &str, health: &str) -> MemberRecord {
    let fields = [superhero_id, health].map(|text| Some(text.to_owned()));
    MemberRecord { name: user_token.to_owned(), fields: fields.to_vec() }
}

fn attack(from: &str, to: &str, damage: i64, prior: i64, post: i64) -> String {
    ENTRY
        .replace("ann", from)
        .replace("bob", to)
        .replace("1200", &damage.to_string())
        .replace("5000", &prior.to_string())
        .replace("3800", &post.to_string())
}

fn compute(records: Vec<MemberRecord>, log: &[String]) -> Result<Vec<Row>, BadSession> {
    let dataset = superhero();
    let mut session = Session::new(&dataset, "g", vec![], records)?;
    session.add(log.iter().map(String::as_bytes))?;
    let tables = session.into_rows()?;
    let [meta, podium] = tables.as_slice() else { panic!("there are two tables") };
    let text = |value: &Value| value.to_string();
    let number = |value: &Value| match value {
        Value::Integer(number) => *number,
        other => panic!("{other:?} is no number"),
    };
    let row = |(meta, podium): (Vec<Value>, Vec<Value>)| {
        assert_eq!((text(&meta[0]), &meta[..2]), ("g".to_owned(), &podium[..2]), "both have the same order");
        Row {
            user_token: text(&meta[1]),
            superhero_id: number(&meta[2]),
            rank: number(&podium[2]),
            rounds: number(&podium[3]),
            damage_received: number(&podium[4]),
            damage_sent: number(&podium[5]),
        }
    };
    Ok(Rows::values(meta).zip(podium.values()).map(row).collect())
}

fn rows(players: &[(&str, i64)], log: &[String]) -> Result<Vec<Row>, BadSession> {
    let records = players.iter().map(|(token, health)| record(token, "7", &health.to_string())).collect();
    compute(records, log)
}

fn ranks(players: &[(&str, i64)], log: &[String]) -> Vec<(String, i128)> {
    rows(players, log).unwrap().into_iter().map(|row| (row.user_token, row.rank)).collect()
}

fn expected_ranks(expected: &[(&str, i128)]) -> Vec<(String, i128)> {
    expected.iter().map(|(token, rank)| ((*token).to_owned(), *rank)).collect()
}

#[test]
fn the_entry_of_the_contract_counts_for_both_players() {
    let rows = rows(&[("ann", 5000), ("bob", 3800)], &[ENTRY.to_owned()]).unwrap();
    let ann = Row {
        user_token: "ann".to_owned(),
        superhero_id: 7,
        rank: 1,
        rounds: 1,
        damage_received: 0,
        damage_sent: 1200,
    };
    let bob = Row {
        user_token: "bob".to_owned(),
        rank: 2,
        rounds: 0,
        damage_received: 1200,
        damage_sent: 0,
        ..ann.clone()
    };
    assert_eq!(rows, [ann, bob]);
}

#[test]
fn the_survivor_is_first_and_the_last_to_fall_second() {
    let log = [attack("ann", "cid", 9, 5, 0), attack("bob", "dan", 9, 5, 0), attack("ann", "bob", 9, 5, 0)];
    let ranks = ranks(&[("ann", 1), ("bob", 0), ("cid", 0), ("dan", 0)], &log);
    assert_eq!(ranks, expected_ranks(&[("ann", 1), ("bob", 2), ("dan", 3), ("cid", 4)]));
}

#[test]
fn attacks_on_the_fallen_count_and_do_not_make_them_fall_again() {
    let log = [attack("ann", "bob", 9, 5, 0), attack("ann", "cid", 9, 5, 0), attack("ann", "bob", 4, 0, 0)];
    let players = [("ann", 1), ("bob", 0), ("cid", 0)];
    assert_eq!(ranks(&players, &log), expected_ranks(&[("ann", 1), ("cid", 2), ("bob", 3)]));
    assert_eq!(rows(&players, &log).unwrap()[2].damage_received, 13);
}

#[test]
fn in_a_game_cut_short_the_survivors_rank_above_the_fallen_by_health_left() {
    let log = [attack("ann", "bob", 9, 5, 0)];
    let ranks = ranks(&[("ann", 10), ("bob", 0), ("cid", 30), ("dan", 10)], &log);
    assert_eq!(ranks, expected_ranks(&[("cid", 1), ("ann", 2), ("dan", 2), ("bob", 4)]));
}

#[test]
fn a_game_that_timed_out_in_the_lobby_has_a_row_per_player_and_no_rounds() {
    let rows = rows(&[("ann", 10), ("bob", 20)], &[]).unwrap();
    assert_eq!(rows.iter().map(|row| (row.rank, row.rounds)).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
    assert_eq!(rows[0].user_token, "bob");
}

#[test]
fn entries_of_two_servers_may_overlap_and_the_health_left_decides() {
    // Two servers: one logged that bob fell; the other logged later that he still had health.
    let log =
        [attack("ann", "bob", 100, 100, 0), attack("cid", "bob", 80, 100, 20), attack("ann", "cid", 9, 5, 0)];
    let fallen = ranks(&[("ann", 1), ("bob", 0), ("cid", 0)], &log);
    assert_eq!(fallen, expected_ranks(&[("ann", 1), ("cid", 2), ("bob", 3)]));
    let standing = ranks(&[("ann", 1), ("bob", 20), ("cid", 0)], &log);
    assert_eq!(standing, expected_ranks(&[("bob", 1), ("ann", 2), ("cid", 3)]));
}

#[test]
fn a_player_without_health_and_without_an_entry_that_took_it_ranks_last() {
    let log = [attack("ann", "bob", 9, 5, 0)];
    assert_eq!(
        ranks(&[("ann", 1), ("bob", 0), ("cid", 0)], &log),
        expected_ranks(&[("ann", 1), ("bob", 2), ("cid", 3)])
    );
}

#[test]
fn records_that_contradict_one_another_make_a_bad_session() {
    let problem = |entry: String| rows(&[("ann", 1), ("bob", 1)], &[entry]).unwrap_err().to_string();
    let damage = "log entry 1: damage must be a number from 0 to 18446744073709551615";
    for (entry, reason) in [
        (attack("ann", "bob", 1, 5, 6), "log entry 1: an attack raised the health from 5 to 6"),
        (attack("eve", "bob", 1, 5, 4), "log entry 1: eve is not a player"),
        (attack("ann", "eve", 1, 5, 4), "log entry 1: eve is not a player"),
        (ENTRY.replace("\"g\"", "\"h\""), "log entry 1: belongs to game h"),
        (ENTRY.replace("ATTACK", "DEFEND"), "log entry 1: the action DEFEND is not ATTACK"),
        (attack("ann", "bob", -1, 5, 4), damage),
        (ENTRY.replace("1200", "\"1200\""), damage),
        (ENTRY.replace("1200", "12.5"), damage),
        (ENTRY.replace("\"ENEMY_DAMAGE\":1200,", ""), damage),
        ("[]".to_owned(), "log entry 1: is not a JSON object"),
    ] {
        assert_eq!(problem(entry.clone()), reason, "{entry}");
    }
    assert!(problem("{".to_owned()).starts_with("log entry 1: EOF"));
}

#[test]
fn a_value_that_does_not_fit_its_column_makes_a_bad_session() {
    let problem =
        |id: &str, health: &str| compute(vec![record("ann", id, health)], &[]).unwrap_err().to_string();
    assert_eq!(problem("65536", "1"), "player ann: id must be a number from 0 to 65535");
    assert_eq!(problem("-1", "1"), "player ann: id must be a number from 0 to 65535");
    assert_eq!(problem("1", "many"), "player ann: health must be a whole number");
    let huge = [
        attack("ann", "bob", i64::MAX, 5, 4),
        attack("ann", "bob", i64::MAX, 5, 4),
        attack("ann", "bob", 2, 5, 4),
    ];
    let error = rows(&[("ann", 1), ("bob", 1)], &huge).unwrap_err().to_string();
    assert_eq!(error, "player ann: damage_sent must be a number from 0 to 18446744073709551615");
    let long = vec![attack("ann", "bob", 0, 5, 5); 65_536];
    let error = rows(&[("ann", 1), ("bob", 1)], &long).unwrap_err().to_string();
    assert_eq!(error, "player ann: rounds must be a number from 0 to 65535");
}

#[test]
fn half_written_games_are_bad_sessions() {
    let problem = |records| compute(records, &[]).unwrap_err().to_string();
    assert_eq!(problem(vec![]), "the game has no players");
    let no_health = MemberRecord { name: "ann".to_owned(), fields: vec![Some("1".to_owned()), None] };
    assert_eq!(problem(vec![no_health]), "player ann: health must be a whole number");
    let crowd = |count: usize| (0..count).map(|n| record(&n.to_string(), "1", "0")).collect::<Vec<_>>();
    assert_eq!(problem(crowd(256)), "the game has 256 players, which is more than 255");
    assert_eq!(compute(crowd(255), &[]).unwrap().len(), 255);
}
