//! What a person sees: tables on standard output, progress on a terminal.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::plot::Place;
use crate::tracker::Track;

/// Prints how often each name was counted, in the order given.
///
/// # Errors
/// `out` could not be written.
pub fn counts<'a>(out: &mut impl Write, title: &str, rows: impl IntoIterator<Item = (&'a str, u64)>) -> io::Result<()> {
    let rows: Vec<_> = rows.into_iter().collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    writeln!(out, "{title}")?;
    for (name, count) in rows {
        writeln!(out, "  {name:<width$}  {:>12}", Thousands(count))?;
    }
    Ok(())
}

/// What was refused: how often, and the first line of each kind.
#[derive(Debug, Default)]
pub struct Rejects {
    kinds: BTreeMap<String, Refusals>,
}

#[derive(Debug)]
struct Refusals {
    count: u64,
    why: String,
    example: String,
}

impl Rejects {
    /// Nothing refused yet.
    pub fn new() -> Self {
        Rejects::default()
    }

    /// Counts one refusal; if it is the first of its kind, and so worth showing, says what and why.
    ///
    /// `why` and `line` are kept for the first only, made safe to print.
    pub fn add(&mut self, kind: &str, why: &dyn fmt::Display, line: &[u8]) -> Option<String> {
        if let Some(refusals) = self.kinds.get_mut(kind) {
            refusals.count += 1;
            return None;
        }
        let why = why.to_string();
        let news = format!("{kind}: {why}");
        self.kinds.insert(kind.to_string(), Refusals { count: 1, why, example: printable(line, 72) });
        Some(news)
    }

    /// How many were refused in all.
    pub fn total(&self) -> u64 {
        self.kinds.values().map(|refusals| refusals.count).sum()
    }

    /// Prints the kinds, the most frequent first.
    ///
    /// # Errors
    /// `out` could not be written.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        if self.kinds.is_empty() {
            return writeln!(out, "Nothing was rejected.");
        }
        writeln!(out, "Rejected: {}", Thousands(self.total()))?;
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, refusals)| Reverse(refusals.count));
        let width = kinds.iter().map(|(kind, _)| kind.len()).max().unwrap_or(0);
        for (kind, Refusals { count, why, example }) in kinds {
            writeln!(out, "  {kind:<width$}  {:>12}  {why}", Thousands(*count))?;
            if !example.is_empty() {
                writeln!(out, "  {:width$}  {:>12}  {example}", "", "")?;
            }
        }
        Ok(())
    }
}

/// Prints at most `most` tracks and how many there are beyond that.
///
/// # Errors
/// `out` could not be written.
pub fn tracks(out: &mut impl Write, tracks: &[&Track], site: Place, most: usize) -> io::Result<()> {
    writeln!(out, "Tracks: {}", Thousands(tracks.len() as u64))?;
    if tracks.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "  {:<6}  {:<8}  {:>9}  {:>10}  {:>6}  {:>5}  {:>4}  {:>6}  {:>4}  {:>6}  {:>7}",
        "ICAO", "callsign", "latitude", "longitude", "alt m", "m/s", "head", "climb", "sqwk", "km", "plots"
    )?;
    for track in tracks.iter().take(most) {
        writeln!(
            out,
            "  {:<6}  {:<8}  {:>9}  {:>10}  {:>6}  {:>5}  {:>4}  {:>6}  {:>4}  {:>6}  {:>7}",
            track.icao.to_string(),
            track.callsign,
            Cell(track.place.map(|place| place.lat), 4),
            Cell(track.place.map(|place| place.lon), 4),
            Cell(track.altitude_m.map(f64::from), 0),
            Cell(track.speed_ms.map(f64::from), 0),
            Cell(track.heading.map(f64::from), 0),
            Cell(track.climb_ms.map(f64::from), 1),
            track.squawk.map(|code| code.to_string()).unwrap_or_default(),
            Cell(track.place.map(|place| place.distance_m(site) / 1_000.0), 1),
            track.plots,
        )?;
    }
    match tracks.len().saturating_sub(most) {
        0 => Ok(()),
        more => writeln!(out, "  and {} more", Thousands(more as u64)),
    }
}

/// How long handling one line took, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

impl Latency {
    /// The percentiles of some samples, which end up sorted; `None` without samples.
    pub fn of(samples: &mut [u64]) -> Option<Latency> {
        samples.sort_unstable();
        let last = samples.len().checked_sub(1)?;
        let at = |per_mille: usize| samples[(samples.len() * per_mille).div_ceil(1_000).saturating_sub(1)];
        Some(Latency { p50: at(500), p99: at(990), p999: at(999), max: samples[last] })
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p99, p999, max } = *self;
        write!(
            f,
            "p50 {}, p99 {}, p99.9 {}, max {}",
            Nanoseconds(p50),
            Nanoseconds(p99),
            Nanoseconds(p999),
            Nanoseconds(max)
        )
    }
}

/// How many per second; zero for no time at all.
pub fn per_second(count: u64, time: Duration) -> u64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { (count as f64 / seconds) as u64 } else { 0 }
}

/// Shows how far a run has come, on standard error, if that is a terminal; ten times a second at most.
#[derive(Debug)]
pub struct Progress {
    total_bytes: Option<u64>,
    shown: Option<Instant>,
    /// Looking at the clock costs more than reading a line, so it happens now and then.
    calls: u32,
    terminal: bool,
}

impl Progress {
    const EVERY: Duration = Duration::from_millis(100);
    const CALLS: u32 = 64;

    /// Progress towards `total_bytes`, or without an end in sight.
    pub fn new(total_bytes: Option<u64>) -> Self {
        Progress { total_bytes, shown: None, calls: 0, terminal: io::stderr().is_terminal() }
    }

    /// Shows the progress, if it is time; cheap enough to call for every line.
    pub fn update(&mut self, bytes: u64, lines: u64) {
        self.calls += 1;
        if !self.terminal || self.calls < Self::CALLS {
            return;
        }
        self.calls = 0;
        if self.shown.is_none_or(|shown| shown.elapsed() >= Self::EVERY) {
            self.shown = Some(Instant::now());
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(io::stderr(), "\r\x1b[K{}", self.text(bytes, lines));
        }
    }

    /// Takes the progress off the screen again.
    pub fn finish(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    fn text(&self, bytes: u64, lines: u64) -> String {
        let lines = Thousands(lines);
        match self.total_bytes {
            Some(total) if total > 0 => {
                format!("{:3} %  {lines} lines", bytes.min(total) * 100 / total)
            }
            _ => format!("{lines} lines"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// At most `most` characters of a line, safe to print: control characters and bytes that are no text are escaped.
pub fn printable(line: &[u8], most: usize) -> String {
    // An escape is several characters, so this is always more than enough to look at.
    let text = String::from_utf8_lossy(&line[..line.len().min(most * 4)]);
    let mut shown = String::new();
    for character in text.trim_end_matches(['\r', '\n']).chars() {
        let piece = match character {
            ' ' | '!'..='~' => character.to_string(),
            _ if character.is_alphanumeric() => character.to_string(),
            char::REPLACEMENT_CHARACTER => "\\u{fffd}".into(),
            _ => character.escape_default().to_string(),
        };
        if shown.chars().count() + piece.len() > most {
            shown.push_str("...");
            break;
        }
        shown.push_str(&piece);
    }
    shown
}

/// A number in groups of three: 1,234,567.
#[derive(Debug, Clone, Copy)]
pub struct Thousands(pub u64);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::new();
        for (n, digit) in digits.chars().enumerate() {
            if n > 0 && (digits.len() - n).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// A time with the unit that suits it.
struct Nanoseconds(u64);

impl fmt::Display for Nanoseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0 as f64;
        match self.0 {
            0..10_000 => write!(f, "{} ns", self.0),
            10_000..10_000_000 => write!(f, "{:.1} us", nanoseconds / 1e3),
            _ => write!(f, "{:.1} ms", nanoseconds / 1e6),
        }
    }
}

/// A number with some decimals, or a dash for what is not known.
struct Cell(Option<f64>, usize);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        match *self {
            Cell(Some(value), decimals) => write!(text, "{value:.decimals$}")?,
            Cell(None, _) => text.push('-'),
        }
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Report;
    use crate::sbs::{self, Reject};
    use crate::tracker::Tracker;

    fn printed(print: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn counts_are_aligned() {
        let text = printed(|out| counts(out, "Events", [("radar.adsb.position", 1_234_567), ("ew.answer", 8)]));
        assert_eq!(text, "Events\n  radar.adsb.position     1,234,567\n  ew.answer                       8\n");
    }

    #[test]
    fn rejects_show_one_line_of_each_kind() {
        let mut rejects = Rejects::new();
        assert!(rejects.add(Reject::Empty.kind(), &Reject::Empty, b"\r\n").is_some());
        assert!(rejects.add(Reject::NotSbs.kind(), &Reject::NotSbs, b"\x1b[2Jhello\r\n").is_some());
        assert!(rejects.add(Reject::NotSbs.kind(), &Reject::NotSbs, b"second").is_none());
        assert_eq!(rejects.total(), 3);
        let text = printed(|out| rejects.print(out));
        assert_eq!(
            text,
            "Rejected: 3\n  \
             not SBS                2  the line has no commas, so it is not SBS\n  \
             \x20                         \\u{1b}[2Jhello\n  \
             empty line             1  the line is empty\n"
        );
        assert_eq!(printed(|out| Rejects::new().print(out)), "Nothing was rejected.\n");
    }

    #[test]
    fn lines_are_safe_to_print() {
        assert_eq!(printable(b"MSG,3\t\x00\x1b[31m\r\n", 72), "MSG,3\\t\\u{0}\\u{1b}[31m");
        assert_eq!(printable("R\u{D6}D \u{202E}".as_bytes(), 72), "R\u{D6}D \\u{202e}");
        assert_eq!(printable(b"M\xB3G", 72), "M\\u{fffd}G");
        assert_eq!(printable(&[b'x'; 500], 10), "xxxxxxxxxx...");
        assert_eq!(printable(&[0; 500], 10), "\\u{0}\\u{0}...");
    }

    #[test]
    fn tracks_are_aligned_and_few() {
        let mut tracker = Tracker::new();
        for line in [
            "MSG,3,,,4CA2D6,,2026/11/21,12:00:00.500,,,,10000,,,51.5,-1.0,,,0,0,0,0",
            "MSG,1,,,4CA2D7,,2026/11/21,12:00:00.000,,,RYR1427,,,,,,,,,,,",
            "MSG,8,,,4CA2D8,,2026/11/21,12:00:00.000,,,,,,,,,,,,,,0",
        ] {
            let report = Report::from_message(&sbs::parse(line.as_bytes()).unwrap()).unwrap();
            tracker.apply(&report).unwrap();
        }
        let text = printed(|out| tracks(out, &tracker.sorted(), Place { lat: 51.5, lon: -1.0 }, 2));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[4]), (5, "Tracks: 3", "  and 1 more"));
        assert_eq!(lines[1].len(), lines[2].len());
        assert_eq!(lines[1].len(), lines[3].len());
        assert!(lines[2].contains("51.5000     -1.0000    3048"), "{}", lines[2]);
        assert!(lines[3].starts_with("  4CA2D7  RYR1427           -"), "{}", lines[3]);
    }

    #[test]
    fn latencies() {
        let mut samples: Vec<u64> = (1..=1_000).rev().collect();
        assert_eq!(Latency::of(&mut samples), Some(Latency { p50: 500, p99: 990, p999: 999, max: 1_000 }));
        assert_eq!(Latency::of(&mut [7]), Some(Latency { p50: 7, p99: 7, p999: 7, max: 7 }));
        assert_eq!(Latency::of(&mut []), None);
        let latency = Latency { p50: 900, p99: 12_340, p999: 12_340_000, max: 99_000_000 };
        assert_eq!(latency.to_string(), "p50 900 ns, p99 12.3 us, p99.9 12.3 ms, max 99.0 ms");
    }

    #[test]
    fn thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(Thousands(number).to_string(), text);
        }
        assert_eq!(per_second(500, Duration::from_millis(250)), 2_000);
        assert_eq!(per_second(500, Duration::ZERO), 0);
    }

    #[test]
    fn progress_in_words() {
        assert_eq!(Progress::new(Some(200)).text(50, 1_234), " 25 %  1,234 lines");
        assert_eq!(Progress::new(Some(200)).text(500, 1), "100 %  1 lines");
        assert_eq!(Progress::new(None).text(50, 1_234), "1,234 lines");
    }
}
