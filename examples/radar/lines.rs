//! Lines from any input, in bounded memory.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};

use crate::sbs::Reject;

/// The longest line that is handed on; an SBS line is about 120 bytes.
pub const MAX_LINE: usize = 1_024;

const BUFFER: usize = 64 * 1_024;

/// Reads an input line by line through one buffer; nothing is allocated or copied per line.
///
/// A line is handed out as soon as it is complete, so a live receiver's lines do not wait for a full buffer.
#[derive(Debug)]
pub struct Lines<R> {
    name: String,
    input: R,
    buffer: Box<[u8]>,
    /// The bytes read and not handed out yet.
    start: usize,
    end: usize,
    consumed: u64,
    ended: bool,
    /// What is kept of a line that is too long.
    beginning: Vec<u8>,
}

impl<R: Read> Lines<R> {
    /// Reads `input`; `name` is what an error message calls it.
    pub fn new(name: impl Into<String>, input: R) -> Self {
        Lines {
            name: name.into(),
            input,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            consumed: 0,
            ended: false,
            beginning: Vec::new(),
        }
    }

    /// The next line without its `\n`, or `None` at the end of the input.
    ///
    /// A line of more than [`MAX_LINE`] bytes comes as one [`Line::TooLong`]; the rest of it is skipped.
    ///
    /// # Errors
    /// The input could not be read. There is nothing after that.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, ReadError> {
        let mut searched = 0;
        loop {
            let waiting = &self.buffer[self.start..self.end];
            if let Some(n) = newline(&waiting[searched..]) {
                return Ok(Some(self.take(searched + n, 1)));
            }
            searched = waiting.len();
            if searched > MAX_LINE {
                return self.skip_long().map(Some);
            }
            if self.fill()? == 0 {
                return Ok((searched > 0).then(|| self.take(searched, 0)));
            }
        }
    }

    /// How many bytes of the input are behind the lines handed out so far.
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    fn take(&mut self, len: usize, line_end: usize) -> Line<'_> {
        let from = self.start;
        self.consume(len + line_end);
        if len > MAX_LINE {
            return Line::TooLong(&self.buffer[from..from + MAX_LINE]);
        }
        Line::Whole(&self.buffer[from..from + len])
    }

    /// Skips to the line end, keeping the beginning of the line to show.
    fn skip_long(&mut self) -> Result<Line<'_>, ReadError> {
        self.beginning.clear();
        self.beginning.extend_from_slice(&self.buffer[self.start..self.start + MAX_LINE]);
        loop {
            let waiting = &self.buffer[self.start..self.end];
            let end = newline(waiting);
            self.consume(end.map_or(waiting.len(), |n| n + 1));
            if end.is_some() || self.fill()? == 0 {
                return Ok(Line::TooLong(&self.beginning));
            }
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.consumed += bytes as u64;
    }

    /// Reads more behind the waiting bytes, of which there are at most `MAX_LINE`.
    fn fill(&mut self) -> Result<usize, ReadError> {
        if self.ended {
            return Ok(0);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let read = self.read_some();
        self.ended = !matches!(read, Ok(1..));
        self.end += *read.as_ref().unwrap_or(&0);
        read.map_err(|source| ReadError { name: self.name.clone(), offset: self.consumed + self.end as u64, source })
    }

    fn read_some(&mut self) -> io::Result<usize> {
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

/// One line of the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Line<'a> {
    /// All of it, without the `\n`; a `\r` is still there.
    Whole(&'a [u8]),
    /// The beginning of a line that is too long to be one.
    TooLong(&'a [u8]),
}

impl<'a> Line<'a> {
    /// The bytes there are, to show to a person.
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            Line::Whole(bytes) | Line::TooLong(bytes) => bytes,
        }
    }

    /// The line to parse.
    ///
    /// # Errors
    /// [`Reject::TooLong`] if it is.
    pub fn whole(&self) -> Result<&'a [u8], Reject> {
        match self {
            Line::Whole(bytes) => Ok(bytes),
            Line::TooLong(_) => Err(Reject::TooLong),
        }
    }
}

/// The input could not be read any further.
#[derive(Debug)]
pub struct ReadError {
    name: String,
    offset: u64,
    source: io::Error,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not read {} after {} bytes: {}", self.name, self.offset, self.source)
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Where the first `\n` is. Looking at 32 bytes at once lets the compiler compare them in one go.
fn newline(bytes: &[u8]) -> Option<usize> {
    let is_end = |byte: &u8| *byte == b'\n';
    let (blocks, rest) = bytes.as_chunks::<32>();
    for (n, block) in blocks.iter().enumerate() {
        if block.iter().fold(false, |found, byte| found | is_end(byte)) {
            return block.iter().position(is_end).map(|at| n * 32 + at);
        }
    }
    rest.iter().position(is_end).map(|at| blocks.len() * 32 + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out at most `step` bytes per read, as a network does.
    struct Drip<'a> {
        bytes: &'a [u8],
        step: usize,
    }

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let most = self.step.min(out.len());
            self.bytes.read(&mut out[..most])
        }
    }

    fn all(bytes: &[u8], step: usize) -> Vec<Result<Vec<u8>, usize>> {
        let mut lines = Lines::new("test", Drip { bytes, step });
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            seen.push(match line {
                Line::Whole(bytes) => Ok(bytes.to_vec()),
                Line::TooLong(bytes) => Err(bytes.len()),
            });
        }
        assert_eq!(lines.consumed(), bytes.len() as u64);
        seen
    }

    #[test]
    fn lines_come_whole_however_they_arrive() {
        let text = b"one\r\n\ntwo\nthe last has no end";
        for step in [1, 2, 3, 7, 1_000_000] {
            let expected = [&b"one\r"[..], b"", b"two", b"the last has no end"].map(|line| Ok(line.to_vec()));
            assert_eq!(all(text, step), expected, "step {step}");
        }
        assert_eq!(all(b"", 1), []);
        assert_eq!(all(b"\n", 1), [Ok(vec![])]);
    }

    #[test]
    fn a_long_line_is_one_line() {
        for long in [MAX_LINE, MAX_LINE + 1, 5_000, BUFFER - 1, BUFFER, BUFFER + 1, 300_000] {
            let mut text = vec![b'x'; long];
            text.extend_from_slice(b"\nnext\n");
            text.extend(vec![b'y'; long]);
            let expected = if long > MAX_LINE { Err(MAX_LINE) } else { Ok(vec![b'x'; long]) };
            let last = if long > MAX_LINE { Err(MAX_LINE) } else { Ok(vec![b'y'; long]) };
            for step in [13, 1_000, 1_000_000] {
                assert_eq!(all(&text, step), [expected.clone(), Ok(b"next".to_vec()), last.clone()], "{long}, {step}");
            }
        }
    }

    #[test]
    fn many_lines_pass_through_one_buffer() {
        let text: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
        let seen = all(text.as_bytes(), 4_096);
        assert_eq!((seen.len(), &seen[49_999]), (50_000, &Ok(b"line 49999".to_vec())));
    }

    #[test]
    fn an_error_says_where() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("cable pulled"))
            }
        }
        let mut lines = Lines::new("feed.sbs", (&b"one\ntw"[..]).chain(Broken));
        assert_eq!(lines.next_line().unwrap(), Some(Line::Whole(b"one")));
        let error = lines.next_line().unwrap_err();
        assert_eq!(error.to_string(), "could not read feed.sbs after 6 bytes: cable pulled");
    }
}
