//! When a line was sent, from its date and its time.

use jiff::civil::{Date, DateTime, Time, date};

/// Milliseconds from the beginning of 1970 to `2026/11/21` or `2026-11-21` and `18:06:07.710`, as the receiver's clock
/// showed it: feeds do not name a time zone.
pub fn read(date: &[u8], time: &[u8]) -> Option<i64> {
    let since = day(date)?.to_datetime(time_of_day(time)?).duration_since(EPOCH);
    i64::try_from(since.as_millis()).ok()
}

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

fn day(date: &[u8]) -> Option<Date> {
    let (&[y1, y2, y3, y4, b'/', m1, m2, b'/', d1, d2] | &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]) = date else {
        return None;
    };
    Date::new(number(&[y1, y2, y3, y4])?, pair(m1, m2)?, pair(d1, d2)?).ok()
}

/// `18:06:07`, with or without a fraction.
fn time_of_day(time: &[u8]) -> Option<Time> {
    let (&[h1, h2, b':', m1, m2, b':', s1, s2], fraction) = time.split_first_chunk::<8>()? else {
        return None;
    };
    Time::new(pair(h1, h2)?, pair(m1, m2)?, pair(s1, s2)?, millis(fraction)? * 1_000_000).ok()
}

/// Milliseconds in `.710`, `.7`, `.710123` or nothing.
fn millis(fraction: &[u8]) -> Option<i32> {
    let decimals = if fraction.is_empty() { fraction } else { fraction.strip_prefix(b".")? };
    if !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some([100, 10, 1].iter().zip(decimals).map(|(unit, digit)| unit * i32::from(digit - b'0')).sum())
}

fn pair(tens: u8, ones: u8) -> Option<i8> {
    number(&[tens, ones])?.try_into().ok()
}

/// Digits and nothing else; `str::parse` would take a sign.
fn number(digits: &[u8]) -> Option<i16> {
    digits.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i16::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn dates_count_from_1970() {
        for (date, day) in [
            ("1970-01-01", Some(0)),
            ("1969/12/31", Some(-1)),
            ("2000/02/29", Some(11_016)),
            ("2000/03/01", Some(11_017)),
            ("1900/02/29", None),
            ("2026-11-21", Some(20_778)),
            ("0000/01/01", Some(-719_528)),
            ("9999/12/31", Some(2_932_896)),
            ("+026/11/21", None),
            ("2026/11-21", None),
            ("2026/00/21", None),
            ("2026/11/31", None),
        ] {
            assert_eq!(read(date.as_bytes(), b"00:00:00"), day.map(|day: i64| day * DAY), "{date}");
        }
    }

    #[test]
    fn times_count_from_midnight() {
        for (time, millis) in [
            ("00:00:00", Some(0)),
            ("23:59:59.9", Some(86_399_900)),
            ("00:00:00.0015", Some(1)),
            ("00:00:00.", Some(0)),
            ("00:00:00.9999999999", Some(999)),
            ("24:00:00", None),
            ("00:60:00", None),
            ("00:00:60", None),
            ("00:00:00,5", None),
            ("00:00:00.-5", None),
            ("+1:00:00", None),
            ("00:00", None),
        ] {
            assert_eq!(read(b"1970/01/01", time.as_bytes()), millis, "{time}");
            assert_eq!(read(b"1969/12/31", time.as_bytes()), millis.map(|millis| millis - DAY), "{time}");
        }
    }
}
