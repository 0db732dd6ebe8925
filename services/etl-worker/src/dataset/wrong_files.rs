//! Files that look like datasets and are none: each would have lost, mixed up or hidden rows in silence.

use super::*;

const ORDERS: &str = include_str!("../../datasets/orders.toml");
const SUPERHERO_FILE: &str = include_str!("superhero.toml");

/// Why this file is refused, after these replacements in it.
fn reason(file: &str, replacements: &[(&str, &str)]) -> String {
    let text = replacements.iter().fold(file.to_owned(), |text, (right, wrong)| {
        assert!(text.contains(right), "{right}");
        text.replacen(right, wrong, 1)
    });
    parse("x.toml", &text).map(drop).unwrap_err().to_string()
}

/// Each of these replacements is refused for its reason.
fn are_refused(file: &str, replacements: &[(&str, &str, &str)]) {
    for (right, wrong, expected) in replacements {
        let reason = reason(file, &[(right, wrong)]);
        assert!(reason.contains(expected), "{wrong}: {reason}");
    }
}

#[test]
fn an_end_of_session_needs_a_channel_a_condition_and_a_path() {
    let replacements = [
        ("[\"shop.orders\"]", "[]", "channels must name a channel"),
        ("[\"shop.orders\"]", "[\"\"]", "channels must name a channel"),
        ("{ event = \"order closed\" }", "{}", "when must have a path and its text"),
        ("event = ", "\"a..b\" = ", "the path \"a..b\" has an empty name"),
        ("\"order.id\"", "\"\"", "the path \"\" has an empty name"),
        ("\"orders:all\"", "\"\"", "index must be a key"),
        ("\"orders:all\"", "\"orders:{token}\"", "index must be a key"),
        ("session = \"order\"", "session = \"\"", "words must not be empty"),
    ];
    are_refused(ORDERS, &replacements);
}

#[test]
fn a_number_of_members_is_possible() {
    let replacements = [
        ("least = 1\n", "least = 256\n", "least is greater than most"),
        ("most = 255", "most = 0", "least is greater than most"),
        (
            "members = \"games:{token}\"\nmember = \"games:{token}:superheros:{member}\"\n",
            "",
            "[members] needs keys.members",
        ),
    ];
    are_refused(SUPERHERO_FILE, &replacements);
}

#[test]
fn names_that_readers_take_for_the_same_are_refused() {
    let replacements = [
        ("customer = \"customer\"", "Order_ID = \"customer\"", "order_id and Order_ID differ in case only"),
        ("name = \"ORDER_ITEMS\"", "name = \"orders\"", "the tables ORDERS and orders differ in case only"),
        ("name = \"ORDER_ITEMS\"", "name = \"_ITEMS\"", "must begin with a letter or a digit"),
        ("name = \"ORDER_ITEMS\"", "name = \"Compacted\"", "COMPACTED is the folder of the snapshots"),
        (
            "customer = \"customer\"",
            "DT = \"customer\"",
            "DT is a key in the names of folders, and cannot be a column too",
        ),
    ];
    are_refused(ORDERS, &replacements);
}

#[test]
fn a_partition_has_keys_that_every_reader_can_read() {
    let all = ["a", "b", "c", "d", "e"].map(|key| format!("{key} = \"day\"")).join("\n");
    for (partition, expected) in [
        ("", "a partition has 1 to 4 keys"),
        (all.as_str(), "a partition has 1 to 4 keys"),
        ("coupon = \"day\"", "coupon is a key in the names of folders, and cannot be a column too"),
        ("who = \"customer\"\nWHO = \"day\"", "there are two keys WHO"),
        ("who = \"nobody\"", "partition who: there is no nobody here"),
        ("who = \"heaviest\"", "partition who: a list or a float cannot be the name of a folder"),
        ("\"a b\" = \"day\"", "key \"a b\" must be 1 to 64 letters, digits and _"),
    ] {
        let table = format!("rows = \"session\"\n[table.partition]\n{partition}\n");
        let reason = reason(ORDERS, &[("rows = \"session\"\n", &table)]);
        assert!(reason.contains(expected), "{partition}: {reason}");
    }
    let default = ("rows = \"session\"\n", "rows = \"session\"\npartition = { dt = \"day\" }\n");
    let text = ORDERS.replacen(default.0, default.1, 1);
    assert!(parse("x.toml", &text).unwrap().tables[0].partition().is_empty());
}

#[test]
fn keys_of_ours_are_no_records() {
    for (right, wrong) in [
        ("session = \"orders:{token}\"", "session = \"etl:game:{token}\""),
        ("\"orders:all\"", "\"etl:jobs\""),
        ("\"orders:{token}:state\"]", "\"etl:orders:game:{token}\"]"),
    ] {
        let reason = reason(ORDERS, &[(right, wrong)]);
        assert!(reason.contains("keys that begin with etl: are etl-worker's own"), "{wrong}: {reason}");
    }
    for name in ["game", "part", "settling"] {
        let reason = reason(ORDERS, &[("name = \"orders\"", &format!("name = {name:?}"))]);
        assert!(reason.contains("is part of the names of other datasets' keys"), "{name}: {reason}");
    }
}

#[test]
fn what_cannot_be_computed_is_refused() {
    let keys = "entries = \"games:{token}:logs\"\n";
    let replacements = [
        (
            "[{ by = \"health\", least = 0 }, { by = \"fell_at\", if = \"health <= 0\" }]",
            "[]",
            "a rank needs something to rank by",
        ),
        ("by = \"fell_at\"", "by = \"rank\"", "a rank that is used here is not known yet"),
        ("if = \"health <= 0\" }]", "if = \"rank <= 0\" }]", "a rank that is used here is not known yet"),
        (keys, "", "[entry] needs keys.entries"),
    ];
    are_refused(SUPERHERO_FILE, &replacements);
    let text = "name = \"x\"\n[end]\nchannels = [\"c\"]\nwhen = { a = \"b\" }\ntoken = \"t\"\n[keys]\nsession = \"x:{token}\"\n\
                [session]\nn = { count = true, type = \"uint8\" }\n[[table]]\nname = \"X\"\nrows = \"session\"\n[table.columns]\nn = \"n\"\n";
    assert!(reason(text, &[]).contains("what adds entries up needs keys.entries"));
}

#[test]
fn a_sort_or_a_rank_by_a_list_is_refused() {
    let list = ("field = \"id\", type = \"uint16\"", "field = \"id\", type = \"list<uint16>\"");
    let sort = reason(SUPERHERO_FILE, &[list, ("sort = \"rank\"", "sort = \"superhero_id\"")]);
    assert!(sort.contains("superhero_id is a list, which has no order"), "{sort}");
    let rank = reason(SUPERHERO_FILE, &[list, ("by = \"fell_at\"", "by = \"superhero_id\"")]);
    assert!(rank.contains("superhero_id is a list, which has no order"), "{rank}");
}

#[test]
fn a_dataset_whose_clean_up_removes_what_another_reads_is_found() {
    let orders = parse("orders.toml", ORDERS).unwrap();
    let other = |replacements: &[(&str, &str)]| {
        let own = [
            ("name = \"orders\"", "name = \"other\""),
            ("\"ORDERS\"", "\"A\""),
            ("\"ORDER_ITEMS\"", "\"B\""),
        ];
        let text =
            own.iter().chain(replacements).fold(ORDERS.to_owned(), |text, (from, to)| text.replace(from, to));
        parse("other.toml", &text).unwrap()
    };
    let shared = |other: &Dataset| removed_by(&orders, other);
    assert_eq!(shared(&other(&[])).as_deref(), Some("orders:{token}"));
    assert_eq!(shared(&other(&[("orders:", "other:")])), None);
    let index = other(&[("orders:{token}", "other:{token}")]);
    assert_eq!(shared(&index).as_deref(), Some("orders:all"));
    // The patterns differ, and have keys in common.
    let similar = other(&[("orders:", "other:"), ("\"other:{token}:items\"", "\"orders:{token}:items\"")]);
    assert_eq!(shared(&similar).as_deref(), Some("orders:{token}:items"));
    assert_eq!(removed_by(&load(SUPERHERO).unwrap(), &orders), None);
}
