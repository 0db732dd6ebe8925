//! The recipes of the README, run by `kafka-ingester check`.

use serde_json::Value;
use test_support::TestRedis;

use crate::dead_letters::run_command;
use crate::support::{Kafka, World};

/// Heading, variables, Kafka key, value, and what `check` prints of it.
type Recipe = (String, Vec<(String, String)>, Option<String>, String, Value);

fn recipes() -> Vec<Recipe> {
    let readme = include_str!("../../README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("Recipes\n")).unwrap();
    let block = section.split("```").nth(1).unwrap().trim_start_matches("text\n");
    block.trim().split("\n\n").map(recipe).collect()
}

fn recipe(text: &str) -> Recipe {
    let lines: Vec<&str> = text.lines().collect();
    let [heading, vars, message, result] = lines[..] else { panic!("a recipe has four lines: {text}") };
    let pair =
        |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    let (key, value) = message
        .split_once(" |")
        .map_or((None, message), |(key, value)| (Some(key.to_owned()), value.trim_start()));
    let vars = vars.split(' ').map(pair).collect();
    (heading.to_owned(), vars, key, value.to_owned(), serde_json::from_str(result).unwrap())
}

#[tokio::test]
async fn each_recipe_of_the_readme_gives_what_it_says() {
    let mut world = World::with(Kafka::start_mock(), TestRedis::start().await, 1).await;
    let recipes = recipes();
    assert!(recipes.len() >= 8);
    for (heading, vars, key, value, expected) in recipes {
        world.topic = world.kafka.create_unique_topic(1).await;
        let value = Some(value.as_bytes()).filter(|value| !value.is_empty());
        world.kafka.enqueue(&world.topic, 0, key.as_ref().map(String::as_bytes), value);
        world.kafka.flush();
        let vars = vars.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let vars: Vec<(&str, &str)> = vars.chain(world.kafka_vars()).collect();
        let (_, mut lines, reason) = run_command(&world, &["check", "--sample", "1"], &vars).await;
        let line = lines[0].as_object_mut().unwrap_or_else(|| panic!("{heading}: {reason}"));
        for place in ["topic", "partition", "offset"] {
            line.remove(place);
        }
        assert_eq!(lines[0], expected, "{heading}");
    }
}
