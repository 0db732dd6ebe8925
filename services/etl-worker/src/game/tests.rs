use super::*;

const ENTRY: &str = r#"{"TIMESTAMP":"2022-10-01T12:00:00Z","PAYLOAD":{"GAME_TOKEN":"g","USER_TOKEN":"ann"},"STATUS":{"ACTION":"ATTACK","DETAILS":{"ENEMY_TOKEN":"bob","ENEMY_DAMAGE":1200,"ENEMY_HEALTH_PRIOR":5000,"ENEMY_HEALTH_POST":3800}}}"#;

fn record(user_token: &str, superhero_id: &str, health: &str) -> PlayerRecord {
    let [superhero_id, health] = [superhero_id, health].map(|text| Some(text.to_owned()));
    PlayerRecord { user_token: user_token.to_owned(), superhero_id, health }
}

fn attack(from: &str, to: &str, damage: i64, prior: i64, post: i64) -> String {
    ENTRY
        .replace("ann", from)
        .replace("bob", to)
        .replace("1200", &damage.to_string())
        .replace("5000", &prior.to_string())
        .replace("3800", &post.to_string())
}

fn rows(players: &[(&str, i64)], log: &[String]) -> Result<Vec<Row>, InvalidGame> {
    let records = players.iter().map(|(token, health)| record(token, "7", &health.to_string())).collect();
    let mut aggregator = GameAggregator::new("g", records)?;
    log.iter().try_for_each(|entry| aggregator.add(entry.as_bytes()))?;
    Ok(aggregator.into_rows())
}

fn ranks(players: &[(&str, i64)], log: &[String]) -> Vec<(String, u8)> {
    rows(players, log).unwrap().into_iter().map(|row| (row.user_token, row.rank)).collect()
}

fn expected_ranks(expected: &[(&str, u8)]) -> Vec<(String, u8)> {
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
fn records_that_contradict_one_another_make_an_invalid_game() {
    let problem = |entry: String| rows(&[("ann", 1), ("bob", 1)], &[entry]).unwrap_err().to_string();
    assert_eq!(
        problem(attack("ann", "bob", 1, 5, 6)),
        "log entry 1: an attack raised the health from 5 to 6"
    );
    assert!(problem(attack("ann", "bob", -1, 5, 4)).starts_with("log entry 1: invalid value: integer `-1`"));
    assert_eq!(problem(attack("eve", "bob", 1, 5, 4)), "log entry 1: eve is not a player");
    assert_eq!(problem(attack("ann", "eve", 1, 5, 4)), "log entry 1: eve is not a player");
    assert_eq!(problem(ENTRY.replace("\"g\"", "\"h\"")), "log entry 1: belongs to game h");
    assert_eq!(problem(ENTRY.replace("ATTACK", "DEFEND")), "log entry 1: the action DEFEND is not ATTACK");
    assert!(problem(ENTRY.replace("1200", "\"1200\"")).starts_with("log entry 1: invalid type: string"));
    assert!(problem(ENTRY.replace("1200", "12.5")).starts_with("log entry 1: invalid type: floating"));
    assert!(problem(ENTRY.replace("\"ENEMY_DAMAGE\":1200,", "")).starts_with("log entry 1: missing field"));
    assert_eq!(problem("[]".to_owned()), "log entry 1: is not a JSON object");
    assert!(problem("{".to_owned()).starts_with("log entry 1: EOF"));
}

#[test]
fn whole_floats_are_whole_numbers() {
    let log = [ENTRY.replace("1200", "1200.0").replace("5000", "5e3").replace("3800", "3800.0")];
    let records = vec![record("ann", "7.0", "5000.0"), record("bob", "7", "3800")];
    let mut aggregator = GameAggregator::new("g", records).unwrap();
    aggregator.add(log[0].as_bytes()).unwrap();
    let rows = aggregator.into_rows();
    assert_eq!((rows[0].superhero_id, rows[0].damage_sent, rows[1].damage_received), (7, 1200, 1200));
}

#[test]
fn a_value_that_does_not_fit_its_column_makes_an_invalid_game() {
    let problem = |id: &str, health: &str| {
        GameAggregator::new("g", vec![record("ann", id, health)]).err().unwrap().to_string()
    };
    assert_eq!(problem("65536", "1"), "player ann: id must be a number from 0 to 65535");
    assert_eq!(problem("-1", "1"), "player ann: id must be a number from 0 to 65535");
    assert_eq!(problem("1", "many"), "player ann: health must be a whole number");
    let huge = [
        attack("ann", "bob", i64::MAX, 5, 4),
        attack("ann", "bob", i64::MAX, 5, 4),
        attack("ann", "bob", 2, 5, 4),
    ];
    let error = rows(&[("ann", 1), ("bob", 1)], &huge).unwrap_err();
    assert_eq!(error.to_string(), "player ann: more damage sent than the column can hold");
    let long = vec![attack("ann", "bob", 0, 5, 5); 65_536];
    let error = rows(&[("ann", 1), ("bob", 1)], &long).unwrap_err();
    assert_eq!(error.to_string(), "player ann: more rounds than the column can hold");
}

#[test]
fn half_written_games_are_invalid() {
    assert_eq!(GameAggregator::new("g", vec![]).err().unwrap(), InvalidGame::NoPlayers);
    let no_health = PlayerRecord { health: None, ..record("ann", "1", "1") };
    assert!(GameAggregator::new("g", vec![no_health]).is_err());
    let crowd = (0..256).map(|n| record(&n.to_string(), "1", "1")).collect();
    assert_eq!(GameAggregator::new("g", crowd).err().unwrap(), InvalidGame::TooManyPlayers(256));
    let full = (0..255).map(|n| record(&n.to_string(), "1", "0")).collect();
    assert_eq!(GameAggregator::new("g", full).unwrap().into_rows().len(), 255);
}
