//! A recording of any size is read in little memory, whatever stands in it.
//!
//! It takes long; in release, with 1 gigabyte or as many as are asked for:
//! `RECORDING_GB=10 cargo test --release --features recording --test large_reading -- --nocapture`.
#![cfg(feature = "recording")]

use std::io::{self, Read};
use std::time::Instant;

use sigtree::middleware::{Codec, Reader};

/// The same lines again and again.
struct Again {
    line: Vec<u8>,
    at: usize,
}

impl Read for Again {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.line.len() {
            self.at = 0;
        }
        let read = (&self.line[self.at..]).read(out)?;
        self.at += read;
        Ok(read)
    }
}

/// The most memory this process ever had, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimisation")]
fn any_size_is_read_in_little_memory() {
    let gigabytes: u64 = std::env::var("RECORDING_GB").map_or(1, |text| text.parse().expect("a number of gigabytes"));
    let line = r#"{"specversion":"1.0","id":"00000000000000000000000001","source":"/x","type":"radar.track.new","data":{"id":7,"height":1.5,"position":[52.25,3.9]}}"#;
    // A long line now and then, a broken one, and one that is not UTF-8.
    let mut block = format!("{line}\n").repeat(1_000).into_bytes();
    block.extend_from_slice(b"{\"broken\n\xff\xff\n");
    block.extend(std::iter::repeat_n(b'x', 100_000));
    block.push(b'\n');
    let blocks = gigabytes * 1_000_000_000 / block.len() as u64 + 1;
    let bytes = blocks * block.len() as u64;

    let before = peak();
    let began = Instant::now();
    let again = Again { line: block, at: 0 }.take(bytes);
    let mut entries = Reader::new(again).longest_line(50_000).entries(&Codec::json());
    let read = entries.by_ref().filter(Result::is_ok).count() as u64;
    let stats = entries.stats();
    assert_eq!((read, stats.too_long, stats.not_utf8, stats.not_events), (blocks * 1_000, blocks, blocks, blocks));
    let seconds = began.elapsed().as_secs_f64();
    println!("{} GB read: {:.0} MB/s, {:.0} events/s", gigabytes, bytes as f64 / 1e6 / seconds, read as f64 / seconds);
    if let (Some(before), Some(after)) = (before, peak()) {
        println!("memory: {} kB more at most", (after - before) / 1024);
        assert!(after - before < 8 << 20);
    }
}
