//! Any bytes as a recording: every line is read or told, none is lost, and what is read comes back when it is written.
#![no_main]

use std::io::{Cursor, Read};

use libfuzzer_sys::fuzz_target;
use sigtree::middleware::{Codec, Reader, Record};

/// The longest line that the reader is to take.
const LONGEST: usize = 500;

/// Hands out a few bytes per read, as a disk under load does.
struct Drip(Cursor<Vec<u8>>, usize);

impl Read for Drip {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let most = self.1.min(out.len());
        self.0.read(&mut out[..most])
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((step, text)) = bytes.split_first() else { return };
    let input = Drip(Cursor::new(text.to_vec()), usize::from(*step) + 1);
    let mut entries = Reader::new(input).longest_line(LONGEST).entries(&Codec::json());
    let (mut read, mut told, mut last) = (0, 0, 0);
    for entry in entries.by_ref() {
        match entry {
            Ok(entry) => {
                read += 1;
                comes_back(&Record::of(&entry, &Codec::json()).unwrap());
            }
            Err(error) => {
                told += 1;
                assert!(error.line() > last && !error.is_io() && !error.to_string().contains('\n'), "{error}");
                last = error.line();
            }
        }
    }
    let stats = entries.stats();
    assert_eq!((stats.records, stats.skipped()), (read + stats.payloads, told));
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty() || line.len() > LONGEST);
    assert_eq!(read + told, lines.count() as u64);
});

fn comes_back(record: &Record) {
    let mut line = Vec::new();
    record.write_to(&mut line).unwrap();
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    let again = Record::from_line(str::from_utf8(&line).unwrap()).unwrap();
    assert_eq!((again.id(), again.topic(), again.stamp()), (record.id(), record.topic(), record.stamp()));
    assert_eq!((again.sequence(), again.envelope()), (record.sequence(), record.envelope()));
    assert_eq!(again.data(), record.data());
}
