use crate::rules::Rules;

fn message(fields: &[(&str, &str)]) -> String {
    Rules::load("weppcloud2").unwrap().checklist_message(&fields.iter().copied().collect())
}

#[test]
fn the_contracts_example_gives_the_contracts_message() {
    let fields = [
        ("attrs:loaded", "true"),
        ("attrs:has_sbs", "false"),
        ("timestamps:landuse_map", "1712535018"),
        ("timestamps:build_channels", "1712028840"),
        ("timestamps:set_outlet", "1712515206"),
        ("timestamps:abstract_watershed", "1712515226"),
        ("timestamps:build_landuse", "1712535023"),
        ("timestamps:build_soils", "1712535083"),
        ("timestamps:build_climate", "1712515667"),
        ("timestamps:run_wepp", "1714168234"),
    ];
    assert_eq!(
        message(&fields),
        r#"{"type":"preflight","checklist":{"sbs_map":false,"channels":true,"outlet":true,"subcatchments":true,"landuse":true,"soils":true,"climate":true,"rap_ts":false,"wepp":true,"observed":false,"debris":false,"watar":false,"dss_export":false},"lock_statuses":{"watershed":false,"climate":false,"wepp":false,"soils":false,"landuse":false,"disturbed":false},"last_modified":1714168234}"#
    );
}

#[test]
fn a_run_that_does_not_exist_is_all_false_and_was_never_modified() {
    let empty = message(&[]);
    assert!(!empty.contains("true") && !empty.contains("last_modified"), "{empty}");
    assert!(empty.contains(r#""lock_statuses":{"watershed":false"#));
}

#[test]
fn other_locks_follow_by_name_and_only_the_value_true_counts_as_locked() {
    let fields = [
        ("locked:rhem", "true"),
        ("locked:ash.nodb", "false"),
        ("locked:wepp", "true"),
        ("locked:soils", "True"),
        ("locked:", "true"),
    ];
    assert!(message(&fields).ends_with(
        r#""wepp":true,"soils":false,"landuse":false,"disturbed":false,"ash.nodb":false,"rhem":true}}"#
    ));
}

#[test]
fn last_modified_is_the_field_or_the_newest_timestamp() {
    let own = [("last_modified", "7"), ("timestamps:a", "9")];
    assert!(message(&own).ends_with(r#","last_modified":7}"#));
    let broken = [
        ("last_modified", "yesterday"),
        ("timestamps:a", "9"),
        ("timestamps:b", "11"),
        ("timestamps:c", "x"),
    ];
    assert!(message(&broken).ends_with(r#","last_modified":11}"#));
}
