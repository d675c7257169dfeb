//! [`Decimal`]: a number as it is written, compared without loss.

use std::cmp::Ordering;

/// A number of any size: `7`, `7.0` and `70e-1` are the same, and 2^53 + 1 is not 2^53.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    /// The digits from the first that is not zero to the last that is not; none for zero.
    digits: Vec<u8>,
    /// The power of ten that `0.digits` is multiplied with.
    power: i64,
}

impl Decimal {
    /// A number as JSON has it, and with zeros in front; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (number, exponent) = text.split_once(['e', 'E']).map_or((text, Some(0)), |(number, e)| (number, power(e)));
        let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, rest)| (whole, Some(rest)));
        if !(is_digits(whole) && fraction.is_none_or(is_digits)) {
            return None;
        }
        let digits: Vec<_> = whole.bytes().chain(fraction.unwrap_or_default().bytes()).collect();
        let power = exponent?.saturating_add(whole.len() as i64);
        let first = digits.iter().position(|digit| *digit != b'0');
        let last = digits.iter().rposition(|digit| *digit != b'0');
        Some(match first.zip(last) {
            None => Self { negative: false, digits: Vec::new(), power: 0 },
            Some((first, last)) => {
                Self { negative, digits: digits[first..=last].to_vec(), power: power.saturating_sub(first as i64) }
            }
        })
    }

    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An exponent; one that is too large is as large as there are.
fn power(text: &str) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let digits = if negative { digits } else { digits.strip_prefix('+').unwrap_or(digits) };
    let power = is_digits(digits).then(|| digits.parse().unwrap_or(i64::MAX))?;
    Some(if negative { -power } else { power })
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_size = || self.power.cmp(&other.power).then_with(|| self.digits.cmp(&other.digits));
        self.sign().cmp(&other.sign()).then_with(|| if self.negative { by_size().reverse() } else { by_size() })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn how_it_is_written_does_not_matter() {
        for same in [
            &["1", "1.0", "10e-1", "0.1E+1", "001"][..],
            &["0", "-0", "0.00", "0e7"],
            &["-1500", "-1.5e3"],
            &["9007199254740993", "9007199254740993.0"],
        ] {
            assert!(same.iter().all(|text| number(text) == number(same[0])), "{same:?}");
        }
    }

    #[test]
    fn they_are_in_order_however_large_and_small() {
        let order = [
            "-1e99999999999999999999",
            "-340282366920938463463374607431768211456",
            "-10",
            "-9.5",
            "-9",
            "-0.1",
            "-1e-400",
            "0",
            "1e-400",
            "0.09",
            "0.1",
            "0.11",
            "9",
            "10",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551616",
            "18446744073709551617",
            "1e400",
        ];
        for pair in order.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in
            ["", "-", "1.", ".5", "1e", "1e+-1", "1e-+1", "+1", "0x1", "1 ", "NaN", "inf", "1_000", "1.-5", "--1"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
