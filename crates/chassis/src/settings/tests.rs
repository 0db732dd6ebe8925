use std::time::Duration;

use super::*;
use crate::parsers;

#[derive(clap::Parser)]
struct Demo {
    #[command(flatten)]
    process: ProcessSettings,
    /// Where the broker is
    #[arg(long, env = "BROKER")]
    broker: String,
    /// How many
    #[arg(long, env = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    count: u8,
    /// Any of a family
    #[arg(long, env = "TUNE_*")]
    tune: Vec<String>,
    /// The service's own
    #[arg(long, env = "_PACE", default_value = "1s", value_parser = parsers::positive_duration)]
    pace: Duration,
}

impl Settings for Demo {
    const SERVICE: Service =
        Service { name: "demo", version: "1.2.3", prefix: "DEMO_", defaults: &[("LISTEN_ADDR", ":8000")] };
    fn process(&self) -> &ProcessSettings {
        &self.process
    }
    fn check(&self) -> Result<(), SettingError> {
        if self.broker == "nowhere" { Err(SettingError::new("BROKER", "must be somewhere")) } else { Ok(()) }
    }
}

fn refusal(vars: &[(&'static str, &'static str)]) -> String {
    from_vars::<Demo>(vars.iter().copied()).err().unwrap().to_string()
}

#[test]
fn variables_and_defaults_are_read() {
    let demo =
        from_vars::<Demo>([("BROKER", "kafka"), ("DRAIN_DELAY", "0.5s"), ("LOG_LEVEL", "debug")]).unwrap();
    assert_eq!((demo.broker.as_str(), demo.count), ("kafka", 3));
    assert_eq!(demo.process.listen_addr, "0.0.0.0:8000");
    assert_eq!(demo.process.drain_delay, Duration::from_millis(500));
}

#[test]
fn the_services_own_prefix_wins_and_an_empty_variable_is_unset() {
    let demo = from_vars::<Demo>([("BROKER", "a"), ("DEMO_BROKER", "b"), ("COUNT", ""), ("DEMO_COUNT", "7")]);
    let demo = demo.unwrap();
    assert_eq!((demo.broker.as_str(), demo.count), ("b", 7));
}

#[test]
fn a_variable_of_a_shared_section_has_the_services_prefix_alone() {
    let pace = |name| from_vars::<Demo>([("BROKER", "a"), (name, "5s")]).unwrap().pace;
    assert_eq!(pace("DEMO_PACE"), Duration::from_secs(5));
    assert_eq!((pace("PACE"), pace("_PACE")), (Duration::from_secs(1), Duration::from_secs(1)));
}

#[test]
fn a_family_of_variables_is_read_whole() {
    let demo = from_vars::<Demo>([
        ("BROKER", "a"),
        ("TUNE_B", "2"),
        ("TUNE_A", "x=1"),
        ("TUNE_C", ""),
        ("TUN", "3"),
    ]);
    assert_eq!(demo.unwrap().tune, ["A=x=1", "B=2"]);
}

#[test]
fn flags_win_over_variables() {
    let vars = Vars::from([("BROKER".to_owned(), "a".into()), ("COUNT".to_owned(), "4".into())]);
    let demo = parse::<Demo>(&vars, vec!["--count=5".into()]).ok().unwrap();
    assert_eq!((demo.broker.as_str(), demo.count), ("a", 5));
}

#[test]
fn a_setting_that_cannot_be_used_is_named_with_what_it_must_be() {
    assert_eq!(refusal(&[]), "BROKER must be set");
    assert_eq!(refusal(&[("BROKER", "nowhere")]), "BROKER must be somewhere");
    assert_eq!(
        refusal(&[("BROKER", "a"), ("COUNT", "0")]),
        "COUNT must be a valid value: 0 is not in 1..=255"
    );
    assert_eq!(
        refusal(&[("BROKER", "a"), ("DRAIN_DELAY", "soon")]),
        "DRAIN_DELAY must be a duration such as 5s, 500ms or 1m30s"
    );
    assert_eq!(refusal(&[("BROKER", "a"), ("LOG_FORMAT", "xml")]), "LOG_FORMAT must be one of text, json");
    assert_eq!(refusal(&[("BROKER", "a"), ("DEMO_PACE", "0s")]), "DEMO_PACE must be longer than nothing");
    assert_eq!(
        refusal(&[("BROKER", "a"), ("LOG_FORMAT", "text"), ("DEMO_LOG_FORMAT", "xml")]),
        "DEMO_LOG_FORMAT must be one of text, json"
    );
}

#[test]
fn help_lists_every_variable_with_its_default_whatever_the_variables_hold() {
    let vars = Vars::from([("COUNT".to_owned(), "none".into())]);
    let Err(Stop::Answer(answer)) = parse::<Demo>(&vars, vec!["--help".into()]) else { panic!("no help") };
    let help = answer.to_string();
    for part in [
        "[env: BROKER]",
        "[env: COUNT]",
        "[env: DEMO_PACE]",
        "[default: 3]",
        "[default: :8000]",
        "DEMO_NAME first",
    ] {
        assert!(help.contains(part), "{part} is not in {help}");
    }
}

#[test]
fn an_error_of_a_value_from_a_file_says_where_it_is() {
    let value = |variable: &str, text: &str, line: u32| FileValue {
        variable: variable.to_owned(),
        text: text.to_owned(),
        place: format!("key in line {line} of f.toml"),
    };
    let refused = |values| from_file::<Demo>(values).err().unwrap().to_string();
    assert_eq!(
        refused(vec![value("BROKER", "nowhere", 7)]),
        "key in line 7 of f.toml (BROKER) must be somewhere"
    );
    assert_eq!(
        refused(vec![value("BROKER", "a", 1), value("DEMO_PACE", "1s", 2), value("DEMO_PACE", "0s", 3)]),
        "key in line 3 of f.toml (DEMO_PACE) must be longer than nothing"
    );
    assert_eq!(refused(vec![value("COUNT", "1", 1)]), "BROKER must be set");

    let (_, mut places) = Places::split(vec![value("BROKER", "nowhere", 7), value("COUNT", "0", 8)]);
    let explained =
        |places: &Places, name: &str| places.explain(SettingError::new(name, "is bad")).to_string();
    places.overridden_by_flags(&command::<Demo>(), &["--broker=a".into()]);
    assert_eq!(explained(&places, "BROKER"), "BROKER is bad");
    assert_eq!(explained(&places, "COUNT"), "key in line 8 of f.toml (COUNT) is bad");
    places.overridden_by(&[("COUNT".to_owned(), "0".into())].into());
    assert_eq!(explained(&places, "COUNT"), "COUNT is bad");
}

#[test]
fn a_readme_names_a_setting_by_its_full_name_between_backticks() {
    let missing = undocumented::<Demo>("`BROKER`, COUNT, `_PACE`");
    assert!(!missing.contains(&"BROKER".to_owned()));
    for name in ["COUNT", "DEMO_PACE", "LISTEN_ADDR"] {
        assert!(missing.contains(&name.to_owned()), "{name}");
    }
}
