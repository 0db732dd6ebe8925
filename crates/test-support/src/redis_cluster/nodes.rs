use std::ops::RangeInclusive;

/// A line of CLUSTER NODES.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) port: u16,
    /// Of a replica, the id of its primary.
    pub(super) primary: Option<String>,
    pub(super) is_primary: bool,
    pub(super) is_myself: bool,
    pub(super) is_up: bool,
    pub(super) slots: Vec<RangeInclusive<u16>>,
}

impl Node {
    pub(super) fn has(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| range.contains(&slot))
    }

    /// Who has what.
    pub(super) fn owner(&self) -> (String, String) {
        (self.id.clone(), format!("{:?}", self.slots))
    }
}

pub(super) fn parse_nodes(text: &str) -> Vec<Node> {
    text.lines().filter_map(parse_node).collect()
}

fn parse_node(line: &str) -> Option<Node> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (address, flags) = (words.get(1)?, words.get(2)?);
    let has = |flag| flags.split(',').any(|word| word == flag);
    let port = address.split(['@', ',']).next()?.rsplit(':').next()?.parse().ok()?;
    let range = |word: &&str| {
        let (from, to) = word.split_once('-').unwrap_or((word, word));
        // A slot that is being moved stands in brackets.
        Some(from.parse().ok()?..=to.parse().ok()?)
    };
    Some(Node {
        id: (*words.first()?).to_owned(),
        port,
        primary: words.get(3).filter(|id| **id != "-").map(ToString::to_string),
        is_primary: has("master"),
        is_myself: has("myself"),
        is_up: !has("fail") && !has("fail?") && !has("handshake"),
        slots: words.iter().skip(8).filter_map(range).collect(),
    })
}
