//! What day and time it is by this machine's clock, and how that is written.

use std::time::SystemTime;

/// Seconds since 1970, UTC; 0 where the clock is before that.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The day in UTC, as `2026-11-26` (Howard Hinnant, "chrono-compatible low-level date algorithms").
pub fn date(seconds: u64) -> String {
    let days = seconds / (24 * 60 * 60) + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // months from March on
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
}

/// The second in UTC, as `2026-11-26T13:24:24Z` (RFC 3339).
pub fn stamp(seconds: u64) -> String {
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hours, minute) = (minutes / 60, minutes % 60);
    format!(
        "{}T{:02}:{minute:02}:{second:02}Z",
        date(seconds),
        hours % 24
    )
}

/// Whether a text has the form of a [`stamp`].
pub fn is_stamp(text: &str) -> bool {
    let form = b"0000-00-00T00:00:00Z";
    text.len() == form.len()
        && text.bytes().zip(form).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == *form,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_786_711_500, "2026-08-14"),
            (4_107_542_399, "2100-02-28"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date(seconds), day, "{seconds}");
        }
    }

    #[test]
    fn a_stamp_is_the_day_and_the_second_of_it() {
        assert_eq!(stamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(stamp(4_107_542_399), "2100-02-28T23:59:59Z");
        assert!(is_stamp(&stamp(1_795_699_464)));
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00+",
            "1970-01-01 00:00:00Z",
            "197\u{e9}-01-01T00:00:0Z",
        ] {
            assert!(!is_stamp(text), "{text}");
        }
    }
}
