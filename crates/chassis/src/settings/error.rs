/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingError(String);

impl SettingError {
    /// `problem` continues the variable's name: "must be …".
    pub fn new(variable: impl AsRef<str>, problem: impl AsRef<str>) -> Self {
        Self(format!("{} {}", variable.as_ref(), problem.as_ref()))
    }

    /// An error of the arguments, which belongs to no variable.
    pub(super) fn of_arguments(problem: String) -> Self {
        Self(problem)
    }
}
