//! The files of one recording: `flight.jsonl` is being written, `flight.part-000001.jsonl` and those after it are full.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::MADE_UP;
use crate::file_error::FileError;
use crate::folder;

/// A full part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) number: u64,
    pub(super) bytes: u64,
}

/// The name of a full part.
pub(super) fn path_of(recording: &Path, number: u64) -> PathBuf {
    let mut name = recording.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".part-{number:06}"));
    if let Some(extension) = recording.extension() {
        name.push(".");
        name.push(extension);
    }
    recording.with_file_name(name)
}

/// The full parts there are, the oldest first.
pub(super) fn list(recording: &Path) -> Result<Vec<Part>, FileError> {
    let folder = folder::of(recording);
    list_in(folder, recording).map_err(FileError::at(folder))
}

fn list_in(folder: &Path, recording: &Path) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Some(number) = number_of(recording, &entry.file_name()) else { continue };
        match entry.metadata() {
            Ok(found) if found.is_dir() => {}
            // The recording is bounded, and has just thrown it away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => parts.push(Part { number, bytes: found?.len() }),
        }
    }
    parts.sort_by_key(|part| part.number);
    Ok(parts)
}

/// The latest parts, with no number missing between: those that a bounded recording may throw away.
///
/// What stands before a gap was put there by somebody, from an archive for instance, and is theirs.
pub(super) fn list_own(recording: &Path) -> Result<VecDeque<Part>, FileError> {
    let parts = list(recording)?;
    let gap = parts.windows(2).rposition(|pair| pair[0].number + 1 != pair[1].number);
    Ok(parts.into_iter().skip(gap.map_or(0, |before| before + 1)).collect())
}

/// The number in the name of a part; `None` if the name is not one that [`path_of`] gives.
fn number_of(recording: &Path, name: &OsStr) -> Option<u64> {
    let begin = recording.file_stem()?.len() + ".part-".len();
    let rest = name.as_encoded_bytes().get(begin..)?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let number = str::from_utf8(&rest[..digits]).ok()?.parse().ok().filter(|number| (1..MADE_UP).contains(number))?;
    (path_of(recording, number).file_name()? == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_by_their_number() {
        let names = [
            ("a/flight.jsonl", "a/flight.part-000012.jsonl"),
            ("flight", "flight.part-000012"),
            ("x.y.z", "x.y.part-000012.z"),
        ];
        for (recording, part) in names {
            let path = path_of(Path::new(recording), 12);
            assert_eq!(path, Path::new(part));
            assert_eq!(number_of(Path::new(recording), path.file_name().unwrap()), Some(12));
        }
    }

    #[test]
    fn other_files_are_no_parts() {
        let recording = Path::new("flight.jsonl");
        let others = [
            "",
            "flight",
            "flight.jsonl",
            "flight.20240501.jsonl",
            "flight.000001.jsonl",
            "flight.part-1.jsonl",
            "flight.part-0000001.jsonl",
            "flight.part-000000.jsonl",
            "flight.part-00001x.jsonl",
            "flight.part-+00001.jsonl",
            "flight.part-.jsonl",
            "flight.part-000001.json",
            "flight.part-000001.jsonl.gz",
            "flight.part-18446744073709551615.jsonl",
            "flighy.part-000001.jsonl",
            "x.part-000001.jsonl",
        ];
        for name in others {
            assert_eq!(number_of(recording, OsStr::new(name)), None, "{name}");
        }
        assert_eq!(number_of(recording, OsStr::new("flight.part-1000000.jsonl")), Some(1_000_000));
    }

    #[test]
    fn they_are_listed_in_their_order_and_owned_up_to_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("flight.jsonl");
        let numbers = |parts: &[Part]| parts.iter().map(|part| part.number).collect::<Vec<_>>();
        for number in [10, 9, 2, 1] {
            fs::write(path_of(&recording, number), "four").unwrap();
        }
        fs::write(folder.path().join("other.part-000011.jsonl"), "").unwrap();
        let all = list(&recording).unwrap();
        assert_eq!((numbers(&all), all[0].bytes), (vec![1, 2, 9, 10], 4));
        assert_eq!(numbers(list_own(&recording).unwrap().make_contiguous()), [9, 10]);
        fs::remove_file(path_of(&recording, 2)).unwrap();
        fs::remove_file(path_of(&recording, 1)).unwrap();
        assert_eq!(numbers(list_own(&recording).unwrap().make_contiguous()), [9, 10]);
        assert!(list(&folder.path().join("missing/flight.jsonl")).is_err());
    }
}
