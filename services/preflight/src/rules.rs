//! The rules of a checklist, as data.

use crate::check::Check;

/// A checklist: its entries in the order in which they are sent, and the locks that are always sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub(crate) checklist: Vec<(String, Check)>,
    pub(crate) lock_statuses: Vec<String>,
}
