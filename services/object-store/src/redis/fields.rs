//! Reads the fields of the script's replies.

use bytes::Bytes;

pub(super) fn text(bytes: &Bytes) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The first field as a number; 0 if it is none.
pub(super) fn number(fields: &[Bytes]) -> u64 {
    fields.first().and_then(text).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The first field as tickets.
pub(super) fn tickets(fields: &[Bytes]) -> Vec<u64> {
    fields.first().map(parse_tickets).unwrap_or_default()
}

/// Parses numbers that are separated by commas.
pub(super) fn parse_tickets(tickets: &Bytes) -> Vec<u64> {
    text(tickets)
        .into_iter()
        .flat_map(|text| text.split(','))
        .filter_map(|ticket| ticket.parse().ok())
        .collect()
}
