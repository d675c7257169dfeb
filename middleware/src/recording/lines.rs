//! Lines of bounded length, from whatever can be read.

use std::io::{self, BufRead, Read};

/// Reads line by line, and keeps none longer than the longest allowed.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    hand: Hand,
    growing: bool,
    most: usize,
    number: u64,
    bytes: u64,
}

/// How much of the line in hand was read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Hand {
    All,
    /// The rest is not written yet.
    Some,
    /// It is too long, and its end was not seen yet.
    TooMuch,
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
        Self { input, line: Vec::new(), hand: Hand::All, growing: false, most, number: 0, bytes: 0 }
    }

    pub(super) fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    /// Whether an end of the input is only the end for now.
    pub(super) fn set_growing(&mut self, growing: bool) {
        self.growing = growing;
    }

    /// The number of the latest line, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The latest line, without its end; nothing of one that was too long.
    pub(super) fn latest(&self) -> &[u8] {
        &self.line
    }

    /// How many bytes were read since somebody last asked.
    pub(super) fn take_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.bytes)
    }

    /// Reads on; `None` at the end, or while the input grows, if there is no whole line yet.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        if self.hand == Hand::All {
            self.line.clear();
        }
        if self.hand != Hand::TooMuch {
            // One byte more tells a line that just fits from one that does not.
            let read = self.read_up_to(self.most.saturating_add(1) - self.line.len())?;
            if read == 0 && (self.growing || self.line.is_empty()) {
                return Ok(None);
            }
            self.number += u64::from(self.hand == Hand::All);
            self.hand = Hand::All;
            if self.line.pop_if(|last| *last == b'\n').is_some() {
                return Ok(Some(Line::Whole(&self.line)));
            }
            if self.line.len() <= self.most {
                self.hand = if self.growing { Hand::Some } else { Hand::All };
                return Ok((!self.growing).then_some(Line::Open(&self.line)));
            }
        }
        let ended = self.skip_line()? || !self.growing;
        self.hand = if ended { Hand::All } else { Hand::TooMuch };
        Ok(ended.then_some(Line::TooLong))
    }

    /// Passes over what is left of a line; whether its end came.
    pub(super) fn skip_line(&mut self) -> io::Result<bool> {
        loop {
            self.line.clear();
            if self.read_up_to(SKIPPED)? == 0 {
                return Ok(false);
            }
            if self.line.ends_with(b"\n") {
                self.line.clear();
                return Ok(true);
            }
        }
    }

    fn read_up_to(&mut self, bytes: usize) -> io::Result<usize> {
        let most = u64::try_from(bytes).unwrap_or(u64::MAX);
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.line)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

/// How many lines there are. It keeps none in memory, for one may be as long as the disk is large.
pub(super) fn count_lines(mut input: impl BufRead) -> io::Result<u64> {
    let mut lines = 0;
    while input.skip_until(b'\n')? > 0 {
        lines += 1;
    }
    Ok(lines)
}

/// The bytes that are passed over at a time.
const SKIPPED: usize = 1 << 10;

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

    #[test]
    fn lines_are_counted_whatever_their_length_and_until_an_error() {
        let long = repeat(b'x').take(100 << 20);
        assert_eq!(count_lines(BufReader::new(b"a\n\n".chain(long).chain(&b"\nb"[..]))).unwrap(), 4);
        let folder = tempfile::tempdir().unwrap();
        if let Ok(not_a_file) = std::fs::File::open(folder.path()) {
            assert!(count_lines(BufReader::new(not_a_file)).is_err(), "a lasting error ends it");
        }
    }

    /// Gives one piece of text after the other, with an end between.
    struct Pieces(Vec<&'static str>);

    impl io::Read for Pieces {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let mut piece = if self.0.is_empty() { "" } else { self.0.remove(0) }.as_bytes();
            piece.read(out)
        }
    }

    #[test]
    fn what_grows_is_given_when_it_is_whole() {
        let pieces = Pieces(vec!["a\nb", "", "c", "", "d\n12345", "", "678", "", "9\ne", ""]);
        let mut lines = Lines::new(BufReader::new(pieces), 4);
        lines.set_growing(true);
        let mut seen = Vec::new();
        for _ in 0..8 {
            seen.push(match lines.next_line().unwrap() {
                Some(Line::Whole(line)) => String::from_utf8(line.to_vec()).unwrap(),
                Some(Line::TooLong) => String::from("too long"),
                Some(Line::Open(_)) => unreachable!("it grows"),
                None => String::from("later"),
            });
        }
        assert_eq!(seen, ["a", "later", "later", "bcd", "later", "too long", "later", "later"]);
        lines.set_growing(false);
        assert_eq!(lines.next_line().unwrap(), Some(Line::Open(b"e")));
        assert_eq!((lines.number(), lines.take_bytes()), (4, 17));
    }
}
