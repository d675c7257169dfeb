//! Any bytes as a receiver's feed: lines come whole however they arrive, and no line panics.
#![no_main]

// In a module of that path, so that their own files are found where the example finds them.
#[path = "../../examples/radar"]
#[allow(dead_code, unused_imports)]
mod radar {
    pub mod lines;
    pub mod sbs;
}

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use radar::lines::{Line, Lines, MAX_LINE};
use radar::sbs;

/// Hands out a few bytes per read, as a network does.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(out.len());
        self.0.read(&mut out[..most])
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((step, feed)) = bytes.split_first() else { return };
    let mut lines = Lines::new("fuzz", Drip(feed, usize::from(*step) + 1));
    let mut rest = feed;
    while let Some(line) = lines.next_line().unwrap() {
        let (expected, after) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        match line {
            Line::Whole(line) => assert_eq!(line, expected),
            Line::TooLong(beginning) => assert!(expected.len() > MAX_LINE && expected.starts_with(beginning)),
        }
        if let Ok(line) = line.whole() {
            let _ = sbs::parse(line);
        }
        rest = after;
    }
    assert_eq!(lines.consumed(), feed.len() as u64);
    let _ = sbs::parse(feed);
});
