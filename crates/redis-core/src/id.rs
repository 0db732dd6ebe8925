//! Ids, parsed once at the edge. Inside, a value of one of these types is known to be good.

use std::fmt;

/// A text that cannot be the id it was given for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {must_be}")]
pub struct IdError {
    what: &'static str,
    must_be: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $must_be:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// # Errors
            #[doc = concat!("When it is not ", $must_be, ".")]
            pub fn parse(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) { Ok(Self(text)) } else { Err(IdError { what: $what, must_be: $must_be }) }
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// A customer of the shop: any text of 1 to 256 characters.
    CustomerId, "a customer id", "a text of 1 to 256 characters", |text| (1..=256).contains(&text.chars().count())
);
id!(
    /// A recording of messages, as it may stand in a URL.
    RecordingName, "a recording's name", "1 to 128 of A-Z a-z 0-9 _ . - and not begin with a .",
    |text| plain(text, "_.-", 128) && !text.starts_with('.')
);
id!(
    /// A run of the pipelines that preflight and status-proxy watch.
    RunId, "a run id", "1 to 256 of A-Z a-z 0-9 _ . ; -", |text| plain(text, "_.;-", 256)
);
id!(
    /// A status channel of a run.
    ChannelName, "a channel", "1 to 256 of A-Z a-z 0-9 _ . -", |text| plain(text, "_.-", 256)
);
id!(
    /// A game of the simulator, as it may stand in a file name.
    GameToken, "a game token", "1 to 128 of A-Z a-z 0-9 _ -", |text| plain(text, "_-", 128)
);
id!(
    /// A player of a game.
    UserToken, "a user token", "1 to 128 of A-Z a-z 0-9 _ -", |text| plain(text, "_-", 128)
);

fn plain(text: &str, more: &str, most_bytes: usize) -> bool {
    (1..=most_bytes).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_takes_the_letters_of_the_contract_and_no_others() {
        assert_eq!(RunId::parse("decimal-pleasing;;disturbed9002_wbt.1").unwrap().as_str().len(), 37);
        for bad in ["", "a:b", "a/b", "a b", "ä", "a%"] {
            assert!(RunId::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            RunId::parse("").unwrap_err().to_string(),
            "a run id must be 1 to 256 of A-Z a-z 0-9 _ . ; -"
        );
    }

    #[test]
    fn a_channel_has_no_semicolon() {
        assert!(ChannelName::parse("wepp.log-1_a").is_ok());
        assert!(ChannelName::parse("a;b").is_err());
    }

    #[test]
    fn a_customer_id_may_hold_any_character() {
        assert!(CustomerId::parse("a|b:c\n{}ü").is_ok());
        assert!(CustomerId::parse("").is_err());
        assert!(CustomerId::parse("x".repeat(257)).is_err());
    }

    #[test]
    fn a_recording_can_be_named_in_a_url() {
        assert!(RecordingName::parse("walk_1.2-b").is_ok());
        for bad in ["", ".", "..", "a/b", "a:b", "a b"] {
            assert!(RecordingName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_game_token_names_no_other_folder() {
        assert!(GameToken::parse("6f1f7a3e-0c4b-4a55-9f0e-2d9a4a1c7f10").is_ok());
        assert!(GameToken::parse("../x").is_err());
        assert!(UserToken::parse("a.b").is_err());
    }
}
