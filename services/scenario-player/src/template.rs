//! Templates of topics and payloads: text with a step's fields in braces.

mod field;
mod payload;
#[cfg(test)]
mod tests;
mod topic;

pub(crate) use self::payload::PayloadTemplate;
pub(crate) use self::topic::TopicTemplate;
