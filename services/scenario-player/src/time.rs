//! Times as whole microseconds since the epoch, and how the contract writes them.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::Offset;

/// Microseconds since 1970, at most the end of the year 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(i64);

/// A text or number that is no time of day on the calendar with a zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not ISO 8601, or without a zone.
    #[error("must be ISO 8601 with a zone, such as 2021-04-14T08:40:15.513000+00:00")]
    Text,
    /// Before 1970 or after 9999.
    #[error("must lie between the years 1970 and 9999")]
    Range,
}

impl Micros {
    /// From whole microseconds.
    ///
    /// # Errors
    /// [`TimeError::Range`].
    pub fn new(micros: i64) -> Result<Self, TimeError> {
        if (0..=LAST).contains(&micros) { Ok(Self(micros)) } else { Err(TimeError::Range) }
    }

    /// From ISO 8601 text with a zone.
    ///
    /// # Errors
    /// [`TimeError`], by what is wrong.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let timestamp: Timestamp = text.parse().map_err(|_| TimeError::Text)?;
        Self::new(timestamp.as_microsecond())
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

    /// This time and `micros` more, held within the calendar.
    pub fn plus(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros).clamp(0, LAST))
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
    pub fn iso(self) -> impl fmt::Display {
        Written { time: self, between: 'T', zone: "+00:00" }
    }

    /// `2021-04-14 08:40:15.513000+0000`, as in Redis.
    pub fn redis(self) -> impl fmt::Display {
        Written { time: self, between: ' ', zone: "+0000" }
    }
}

const LAST: i64 = 253_402_300_799_999_999;

struct Written {
    time: Micros,
    between: char,
    zone: &'static str,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Timestamp::from_microsecond(self.time.0).map_err(|_| fmt::Error)?;
        let at = Offset::UTC.to_datetime(at);
        write!(
            f,
            "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}.{:06}{}",
            at.year(),
            at.month(),
            at.day(),
            self.between,
            at.hour(),
            at.minute(),
            at.second(),
            at.subsec_nanosecond() / 1000,
            self.zone
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_any_zone_and_written_in_utc() {
        let time = Micros::parse("2021-04-14T10:40:15.513+02:00").unwrap();
        assert_eq!(time.as_ms(), 1_618_389_615_513);
        assert_eq!(time.iso().to_string(), "2021-04-14T08:40:15.513000+00:00");
        assert_eq!(time.redis().to_string(), "2021-04-14 08:40:15.513000+0000");
        assert_eq!(Micros::parse(&time.redis().to_string()), Ok(time));
        assert_eq!(Micros::parse("2021-04-14T08:40:15.513Z"), Ok(time));
    }

    #[test]
    fn a_time_without_a_zone_is_refused() {
        assert_eq!(Micros::parse("2021-04-14T08:40:15.513000"), Err(TimeError::Text));
        assert_eq!(Micros::parse("yesterday"), Err(TimeError::Text));
        assert_eq!(Micros::parse("1969-12-31T23:59:59Z"), Err(TimeError::Range));
    }

    #[test]
    fn epoch_milliseconds_may_have_a_fraction_and_must_be_on_the_calendar() {
        assert_eq!(Micros::from_ms(1_618_323_771_180.5).unwrap().as_micros(), 1_618_323_771_180_500);
        assert_eq!(Micros::from_ms(-1.0), Err(TimeError::Range));
        assert_eq!(Micros::from_ms(f64::INFINITY), Err(TimeError::Range));
    }
}
