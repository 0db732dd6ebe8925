//! Times in whole microseconds since the epoch, and how the contract writes them.

use std::fmt;

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

/// Microseconds since 1970, at most 9999-12-30T22:00:00Z: the last time that can be written in every zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EpochMicros(i64);

/// Something that has a time.
pub trait Timed {
    /// When it happens.
    fn time(&self) -> EpochMicros;
}

impl Timed for EpochMicros {
    fn time(&self) -> EpochMicros {
        *self
    }
}

/// Why a text or a number is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not ISO 8601, or without a zone.
    #[error("must be ISO 8601 with a zone, such as 2021-04-14T08:40:15.513000+00:00")]
    Text,
    /// Before 1970 or too late.
    #[error("must lie between the years 1970 and 9999, and not after 9999-12-30T22:00:00Z")]
    Range,
}

impl EpochMicros {
    /// From whole microseconds.
    ///
    /// # Errors
    /// [`TimeError::Range`].
    pub fn new(micros: i64) -> Result<Self, TimeError> {
        if (0..=MAX_MICROS).contains(&micros) { Ok(Self(micros)) } else { Err(TimeError::Range) }
    }

    /// From ISO 8601 text with a zone.
    ///
    /// # Errors
    /// [`TimeError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        match text.parse::<Timestamp>() {
            Ok(timestamp) => Self::new(timestamp.as_microsecond()),
            // A date of this form that is no timestamp is out of range.
            Err(_) => match Pieces::parse(text) {
                Ok(pieces) if pieces.offset().is_some() && pieces.time().is_some() => Err(TimeError::Range),
                _ => Err(TimeError::Text),
            },
        }
    }

    /// From a number since the epoch, as the original's validator takes it: up to 2e10 it counts seconds. A larger one counts
    /// thousandths, and so on. It may have a fraction.
    ///
    /// # Errors
    /// [`TimeError::Range`].
    pub fn from_number(number: f64) -> Result<Self, TimeError> {
        if !number.is_finite() {
            return Err(TimeError::Range);
        }
        let mut ms = if number.abs() <= MAX_SECONDS { number * 1000.0 } else { number };
        while ms.abs() > MAX_SECONDS * 1000.0 {
            ms /= 1000.0;
        }
        Self::from_ms(ms)
    }

    /// From epoch milliseconds, which may have a fraction.
    ///
    /// # Errors
    /// [`TimeError::Range`].
    pub fn from_ms(ms: f64) -> Result<Self, TimeError> {
        let micros = (ms * 1000.0).round();
        if micros.is_finite() && micros.abs() < 9e18 {
            Self::new(micros as i64)
        } else {
            Err(TimeError::Range)
        }
    }

    /// This time plus `micros`, but no later than the last time and at least 1970.
    pub fn plus(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros).clamp(0, MAX_MICROS))
    }

    /// Whole microseconds since the epoch.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch: the score on the timeline.
    pub fn as_ms(self) -> i64 {
        self.0 / 1000
    }

    /// Whole seconds since the epoch: `ts` of a message.
    pub fn as_secs(self) -> i64 {
        self.0 / 1_000_000
    }

    /// `2021-04-14T08:40:15.513000+00:00`, as in JSON.
    pub fn display_iso(self) -> impl fmt::Display {
        Formatted { time: self, separator: 'T', zone: "+00:00" }
    }

    /// `2021-04-14 08:40:15.513000+0000`, as in Redis.
    pub fn display_redis(self) -> impl fmt::Display {
        Formatted { time: self, separator: ' ', zone: "+0000" }
    }
}

/// The last one that jiff makes a timestamp of.
const MAX_MICROS: i64 = 253_402_207_200_000_000;
/// The largest number that counts seconds.
const MAX_SECONDS: f64 = 2e10;

struct Formatted {
    time: EpochMicros,
    separator: char,
    zone: &'static str,
}

impl fmt::Display for Formatted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = Timestamp::from_microsecond(self.time.0).map_err(|_| fmt::Error)?;
        let date = Offset::UTC.to_datetime(timestamp);
        write!(
            f,
            "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}.{:06}{}",
            date.year(),
            date.month(),
            date.day(),
            self.separator,
            date.hour(),
            date.minute(),
            date.second(),
            date.subsec_nanosecond() / 1000,
            self.zone
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_parsed_in_any_zone_and_written_in_utc() {
        let time = EpochMicros::parse("2021-04-14T10:40:15.513+02:00").unwrap();
        assert_eq!(time.as_ms(), 1_618_389_615_513);
        assert_eq!(time.display_iso().to_string(), "2021-04-14T08:40:15.513000+00:00");
        assert_eq!(time.display_redis().to_string(), "2021-04-14 08:40:15.513000+0000");
        assert_eq!(EpochMicros::parse(&time.display_redis().to_string()), Ok(time));
        assert_eq!(EpochMicros::parse("2021-04-14T08:40:15.513Z"), Ok(time));
    }

    #[test]
    fn a_time_without_a_zone_is_refused() {
        assert_eq!(EpochMicros::parse("2021-04-14T08:40:15.513000"), Err(TimeError::Text));
        assert_eq!(EpochMicros::parse("yesterday"), Err(TimeError::Text));
        assert_eq!(EpochMicros::parse("1969-12-31T23:59:59Z"), Err(TimeError::Range));
    }

    #[test]
    fn a_number_counts_what_the_originals_validator_takes_it_for() {
        for (number, micros) in [
            (1_618_323_771.0, 1_618_323_771_000_000),
            (1_618_323_771.5, 1_618_323_771_500_000),
            (2e10, 20_000_000_000_000_000),
            (20_000_000_001.0, 20_000_000_001_000),
            (1_618_323_771_180.0, 1_618_323_771_180_000),
            (1_618_323_771_180_000.0, 1_618_323_771_180_000),
            (0.0, 0),
        ] {
            assert_eq!(EpochMicros::from_number(number).map(EpochMicros::as_micros), Ok(micros), "{number}");
        }
        for number in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(EpochMicros::from_number(number), Err(TimeError::Range));
        }
    }

    #[test]
    fn the_last_time_can_be_written_and_a_later_one_is_out_of_range() {
        let last = EpochMicros::default().plus(i64::MAX);
        assert_eq!(last.display_iso().to_string(), "9999-12-30T22:00:00.000000+00:00");
        assert_eq!(EpochMicros::parse("9999-12-31T23:59:59Z"), Err(TimeError::Range));
        assert_eq!(EpochMicros::new(MAX_MICROS + 1), Err(TimeError::Range));
    }

    #[test]
    fn epoch_milliseconds_may_have_a_fraction_and_must_be_within_the_years_1970_to_9999() {
        assert_eq!(EpochMicros::from_ms(1_618_323_771_180.5).unwrap().as_micros(), 1_618_323_771_180_500);
        assert_eq!(EpochMicros::from_ms(-1.0), Err(TimeError::Range));
        assert_eq!(EpochMicros::from_ms(f64::INFINITY), Err(TimeError::Range));
    }
}
