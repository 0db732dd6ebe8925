use std::fs;

use crate::rules::Rules;

/// Evaluates one entry of built-in rules, for a run whose timestamps are given as `name=seconds`.
fn evaluate(rules: &str, entry: &str, timestamps: &str) -> bool {
    let run = timestamps
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, time)| {
            (if name.contains(':') { name.into() } else { format!("timestamps:{name}") }, time)
        })
        .collect();
    let rules = Rules::load(rules).unwrap();
    let (_, check) = rules.checklist.iter().find(|(name, _)| name == entry).unwrap();
    check.is_true_for(&run)
}

#[test]
fn each_weppcloud2_entry_follows_the_contract() {
    let four = "build_landuse=5 build_soils=6 build_climate=7 run_wepp=8";
    for (name, timestamps, expected) in [
        ("sbs_map", "attrs:has_sbs=true", true),
        ("sbs_map", "attrs:has_sbs=false", false),
        ("sbs_map", "attrs:has_sbs=1", false),
        ("channels", "build_channels=1", true),
        ("channels", "build_channels=", true),
        ("channels", "set_outlet=1", false),
        ("outlet", "build_channels=1 set_outlet=2", true),
        ("outlet", "build_channels=2 set_outlet=2", false),
        ("outlet", "build_channels=1 find_outlet=2", false),
        ("outlet", "build_channels=1 set_outlet=2.5", false),
        ("outlet", "build_channels= set_outlet=2", false),
        ("subcatchments", "build_channels=1 abstract_watershed=2", true),
        ("landuse", "abstract_watershed=1 build_landuse=2", true),
        ("soils", "abstract_watershed=1 build_landuse=2 build_soils=3", true),
        ("soils", "abstract_watershed=1 build_landuse=3 build_soils=2", false),
        ("soils", "abstract_watershed=1 build_rangeland_cover=2 build_soils=3", false),
        ("climate", "abstract_watershed=9 build_climate=10", true),
        ("climate", "abstract_watershed=10 build_climate=9", false),
        ("rap_ts", "build_climate=1 build_rap_ts=2", true),
        ("wepp", "build_landuse=1 build_soils=2 build_climate=3 run_wepp=4", true),
        ("wepp", "build_landuse=1 build_soils=2 build_climate=4 run_wepp=4", false),
        ("wepp", "build_landuse=1 build_soils=2 run_wepp=4", false),
        ("observed", &format!("{four} run_observed=9"), true),
        ("observed", &format!("{four} run_observed=8"), false),
        ("debris", &format!("{four} run_debris=9"), true),
        ("debris", "build_landuse=5 build_soils=6 build_climate=7 run_debris=9", false),
        ("watar", &format!("{four} run_watar=9"), true),
        ("dss_export", "run_wepp=1 dss_export=2", true),
        ("dss_export", "run_wepp=2 dss_export=2", false),
    ] {
        assert_eq!(evaluate("weppcloud2", name, timestamps), expected, "{name} of {timestamps}");
    }
}

#[test]
fn each_wepppy_entry_follows_the_contract() {
    let base = "build_landuse=5 build_soils=6 build_climate=7";
    for (name, timestamps, expected) in [
        ("outlet", "build_channels=1 find_outlet=2", true),
        ("outlet", "build_channels=2 set_outlet=1 find_outlet=3", true),
        ("outlet", "build_channels=2 set_outlet=1 find_outlet=x", false),
        ("soils", "abstract_watershed=1 build_rangeland_cover=2 build_soils=3", true),
        ("soils", "abstract_watershed=1 build_landuse=4 build_rangeland_cover=2 build_soils=3", true),
        ("soils", "abstract_watershed=1 build_soils=3", false),
        ("soils", "abstract_watershed=3 build_landuse=1 build_soils=2", false),
        ("rangeland_cover", "build_rangeland_cover=x", true),
        ("rangeland_cover", "build_rangeland_cover=", false),
        ("rhem", "run_rhem=1", true),
        ("rhem", "", false),
        ("openet_ts", "build_climate=1 build_openet_ts=2", true),
        ("wepp", &format!("{base} run_wepp=8"), true),
        ("wepp", &format!("{base} run_wepp_watershed=8"), true),
        ("wepp", &format!("{base} run_wepp_watershed=6 run_wepp=8"), false),
        ("wepp", &format!("{base} run_wepp_watershed= run_wepp=8"), true),
        ("wepp", &format!("{base} run_wepp_watershed=x run_wepp=8"), false),
        ("observed", &format!("{base} run_wepp_watershed=8 run_observed=9"), true),
        ("debris", &format!("{base} run_wepp_watershed=9 run_wepp=1 run_debris=9"), false),
        ("watar", &format!("{base} run_wepp=8 run_watar=9"), true),
        ("omni_scenarios", "run_wepp_watershed=1 run_omni_scenarios=2", true),
        ("run_path_ce", "run_wepp=2 run_path_ce=2", false),
        ("dss_export", "run_wepp=1 dss_export=2", true),
        ("dss_export", "run_wepp=1 run_watar=3 dss_export=2", false),
        ("dss_export", "run_watar=1 dss_export=2", true),
        ("dss_export", "dss_export=2", false),
    ] {
        assert_eq!(evaluate("wepppy", name, timestamps), expected, "{name} of {timestamps}");
    }
}

#[test]
fn a_wrong_file_is_refused_with_the_line_and_the_reason() {
    for (text, error) in [
        ("", "line 1: a rules file must have a [checklist]"),
        ("locks = []", r#"line 1: "locks" is not known: must be lock_statuses, times or checklist"#),
        ("lock_statuses = []\n", "line 1: must not be empty"),
        ("[checklist]\n\na = 7", "line 3: must be a table, not a number"),
        (
            "[checklist]\na = { presence = \"x\" }",
            "line 2: \"presence\" is not known: must be present, not-empty, is-true, all, any, or time with newer-than",
        ),
        ("[checklist]\na = { present = 1 }", "line 2: must be a string, not a number"),
        ("[checklist]\na = { present = \"\" }", "line 2: must not be empty"),
        (
            "[checklist]\na = {}",
            "line 2: must be present, not-empty, is-true, all, any, or time with newer-than",
        ),
        ("[checklist]\na = { time = \"x\" }", "line 2: time needs a newer-than beside it"),
        ("[checklist]\na = { newer-than = \"x\" }", "line 2: newer-than needs a time beside it"),
        (
            "[checklist]\na = { present = \"x\", is-true = \"y\" }",
            "line 2: present and is-true cannot be combined: must be present, not-empty, is-true, all, any, or time with newer-than",
        ),
        ("[checklist]\na = { all = [\n  { any = [] },\n] }", "line 3: must not be empty"),
        ("[checklist]\na = { all = { present = \"x\" } }", "line 2: must be a list, not a table"),
        (
            "[checklist]\na = { time = { max-of = [\"x\"] }, newer-than = \"y\" }",
            "line 2: \"max-of\" is not known: must be a name, latest-of or first-of",
        ),
        ("[times]\nt = { latest-of = [true] }\n[checklist]\n", "line 2: must be a table, not a boolean"),
    ] {
        assert_eq!(Rules::parse(text).unwrap_err().to_string(), error, "{text:?}");
    }
}

#[test]
fn invalid_toml_is_refused_with_its_line() {
    for (text, line) in [
        ("[checklist]\na = ", 2),
        ("[checklist]\na = 1\na = 2", 3),
        ("\n\n]", 3),
        ("[checklist]\n[checklist]", 2),
    ] {
        let error = Rules::parse(text).unwrap_err();
        assert_eq!(error.line, line, "{error} of {text:?}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn a_rules_file_is_loaded_by_its_path_and_errors_name_the_path() {
    let file = std::env::temp_dir().join(format!("preflight-rules-{}.toml", std::process::id()));
    fs::write(&file, "[checklist]\nready = { any = [{ present = \"a:b\" }, { is-true = \"attrs:go\" }] }\n")
        .unwrap();
    let rules = Rules::load(file.to_str().unwrap()).unwrap();
    assert_eq!(
        rules.checklist_message(&[("a:b", "")].into_iter().collect()),
        r#"{"type":"preflight","checklist":{"ready":true},"lock_statuses":{}}"#
    );

    fs::write(&file, "[checklist]\nready = 1\n").unwrap();
    let error = Rules::load(file.to_str().unwrap()).unwrap_err();
    assert!(error.ends_with(&format!("{} line 2: must be a table, not a number", file.display())), "{error}");
    fs::remove_file(&file).unwrap();
    let error = Rules::load("/nowhere/rules.toml").unwrap_err();
    assert!(
        error.starts_with(
            "must be weppcloud2, wepppy or the path of a rules file: read /nowhere/rules.toml: "
        ),
        "{error}"
    );
}

#[test]
fn the_readmes_example_is_a_valid_rules_file() {
    let example =
        include_str!("../../README.md").split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let rules = Rules::parse(example).unwrap();
    assert_eq!(rules.checklist.len(), 4);
    let run = [
        ("timestamps:sources", "1"),
        ("timestamps:build", "2"),
        ("timestamps:unit_tests", "3"),
        ("timestamps:waiver", "x"),
    ];
    let message = rules.checklist_message(&run.into_iter().collect());
    assert!(message.contains(r#"{"approved":false,"sources":true,"built":true,"ready":true}"#), "{message}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic_or_name_a_line_that_does_not_exist(text in "(\\[(checklist|times)\\]\n)?([a-z]{1,3} = [\\[{\" a-z=,}\\]-]{0,40}\n){0,4}") {
        if let Err(error) = Rules::parse(&text) {
            proptest::prop_assert!(error.line <= text.lines().count() + 1);
        }
    }
}
