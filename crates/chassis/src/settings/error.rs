/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{subject}{problem}")]
pub struct SettingError {
    /// The variable with a space after it, or nothing.
    subject: String,
    problem: String,
}

impl SettingError {
    /// `problem` continues the variable's name: "must be …".
    pub fn new(variable: impl AsRef<str>, problem: impl AsRef<str>) -> Self {
        Self { subject: format!("{} ", variable.as_ref()), problem: problem.as_ref().to_owned() }
    }

    /// An error of the arguments, which belongs to no variable.
    pub(super) fn of_arguments(problem: String) -> Self {
        Self { subject: String::new(), problem }
    }

    /// The variable that cannot be used.
    pub(super) fn variable(&self) -> &str {
        self.subject.trim_end()
    }

    /// Says where the variable's value was found: "`place` (VARIABLE) must be …".
    pub(super) fn found_at(self, place: &str) -> Self {
        Self { subject: format!("{place} ({}) ", self.variable()), ..self }
    }
}
