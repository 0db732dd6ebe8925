#![expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]

/// Whether the long tests of a service run at the size that its README's figures are from: `variable`, such as
/// `PREFLIGHT_TEST_FULL`, is `1`.
pub fn is_full_size(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|text| text == "1")
}

/// The size of a test: a number from the environment, or the default.
///
/// # Panics
/// When the variable is no number.
pub fn size_from_env(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}
