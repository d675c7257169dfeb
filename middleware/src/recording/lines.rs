//! Lines of bounded length, from whatever can be read.

use std::io::{self, BufRead, Read};

/// Reads line by line, and keeps none longer than the longest allowed.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    most: usize,
    number: u64,
}

/// One line, without its end.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'l> {
    Whole(&'l [u8]),
    /// The last one, and it has no end.
    Open(&'l [u8]),
    TooLong,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R, most: usize) -> Self {
        Self { input, line: Vec::new(), most, number: 0 }
    }

    pub(super) fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    /// The number of the latest line, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        // One byte more tells a line that just fits from one that does not.
        let most = u64::try_from(self.most).unwrap_or(u64::MAX).saturating_add(1);
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.pop_if(|last| *last == b'\n').is_some() {
            return Ok(Some(Line::Whole(&self.line)));
        }
        if self.line.len() > self.most {
            self.input.skip_until(b'\n')?;
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(Line::Open(&self.line)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, repeat};

    use super::*;

    fn all(text: &str, most: usize) -> Vec<String> {
        let mut lines = Lines::new(text.as_bytes(), most);
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            seen.push(match line {
                Line::Whole(line) => String::from_utf8(line.to_vec()).unwrap(),
                Line::Open(line) => format!("{}...", String::from_utf8(line.to_vec()).unwrap()),
                Line::TooLong => String::from("too long"),
            });
        }
        assert_eq!(lines.number() as usize, seen.len());
        seen
    }

    #[test]
    fn lines_end_where_they_end() {
        assert_eq!(all("", 9), [""; 0]);
        assert_eq!(all("a\n\nb\n", 9), ["a", "", "b"]);
        assert_eq!(all("a\nb", 9), ["a", "b..."]);
    }

    #[test]
    fn a_line_that_is_too_long_takes_no_other_along() {
        assert_eq!(all("1234\n12345\n1234", 4), ["1234", "too long", "1234..."]);
        assert_eq!(all("12345", 4), ["too long"]);
        assert_eq!(all("1234567890\na\n", 4), ["too long", "a"]);
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut lines = Lines::new(BufReader::new(repeat(b'a').take(100 << 20)), 1_000);
        assert_eq!(lines.next_line().unwrap(), Some(Line::TooLong));
        assert_eq!(lines.next_line().unwrap(), None);
        assert!(lines.line.capacity() < 4_096);
    }
}
