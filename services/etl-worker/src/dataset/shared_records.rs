use super::key_overlap::can_overlap;
use super::keys::KeyPattern;
use super::model::Dataset;

/// A key that the clean-up of `one` removes or changes, and that `other` needs. `None` if there is none.
pub fn removed_by(one: &Dataset, other: &Dataset) -> Option<String> {
    let cleanup = &one.cleanup;
    let text = KeyPattern::as_str;
    let removed: Vec<&str> = cleanup
        .expire
        .iter()
        .chain(&cleanup.delete)
        .chain(&cleanup.lists)
        .map(text)
        .chain(one.lost.iter().map(|lost| lost.index.as_str()))
        .collect();
    let keys = &other.keys;
    let read = [&keys.members, &keys.member, &keys.session, &keys.entries, &other.cleanup.count];
    let lost = other.lost.iter().flat_map(|lost| [text(&lost.key), lost.index.as_str()]);
    read.into_iter()
        .flatten()
        .map(text)
        .chain(lost)
        .find(|needed| removed.iter().any(|removed| can_overlap(removed, needed)))
        .map(str::to_owned)
}
