//! The files of one recording: `flight.jsonl` is being written, `flight.000001.jsonl` and those after it are full.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A full part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) number: u64,
    pub(super) bytes: u64,
}

/// The name of a full part.
pub(super) fn path_of(recording: &Path, number: u64) -> PathBuf {
    let mut name = recording.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number:06}"));
    if let Some(extension) = recording.extension() {
        name.push(".");
        name.push(extension);
    }
    recording.with_file_name(name)
}

/// The full parts there are, the oldest first.
pub(super) fn list(recording: &Path) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder_of(recording))? {
        let entry = entry?;
        if let Some(number) = number_of(recording, &entry.file_name()) {
            parts.push(Part { number, bytes: entry.metadata()?.len() });
        }
    }
    parts.sort_by_key(|part| part.number);
    Ok(parts)
}

fn folder_of(recording: &Path) -> &Path {
    match recording.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The number in the name of a part; `None` if the name is that of something else.
fn number_of(recording: &Path, name: &OsStr) -> Option<u64> {
    let mut stem: OsString = recording.file_stem()?.to_owned();
    stem.push(".");
    let rest = name.as_encoded_bytes().strip_prefix(stem.as_encoded_bytes())?;
    let rest = match recording.extension() {
        Some(extension) => rest.strip_suffix(extension.as_encoded_bytes())?.strip_suffix(b".")?,
        None => rest,
    };
    let digits = str::from_utf8(rest).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_by_their_number() {
        for (recording, part) in
            [("a/flight.jsonl", "a/flight.000012.jsonl"), ("flight", "flight.000012"), ("x.y.z", "x.y.000012.z")]
        {
            let path = path_of(Path::new(recording), 12);
            assert_eq!(path, Path::new(part));
            assert_eq!(number_of(Path::new(recording), path.file_name().unwrap()), Some(12));
        }
    }

    #[test]
    fn other_files_are_no_parts() {
        let recording = Path::new("flight.jsonl");
        for name in
            ["flight.jsonl", "flight.1x.jsonl", "flight.+1.jsonl", "flight..jsonl", "flight.1.json", "x.1.jsonl"]
        {
            assert_eq!(number_of(recording, OsStr::new(name)), None, "{name}");
        }
        assert_eq!(number_of(recording, OsStr::new("flight.1000000.jsonl")), Some(1_000_000));
    }

    #[test]
    fn they_are_listed_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("flight.jsonl");
        for name in ["flight.000010.jsonl", "flight.000002.jsonl", "flight.jsonl", "other.000001.jsonl"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        assert_eq!(list(&recording).unwrap(), [Part { number: 2, bytes: 19 }, Part { number: 10, bytes: 19 }]);
        assert!(list(&folder.path().join("missing/flight.jsonl")).is_err());
    }
}
