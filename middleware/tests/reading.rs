//! Whatever stands in a recording, the reader says what is wrong with which line, reads the others, and keeps little in memory.
#![cfg(feature = "recording")]

use std::io::{self, Cursor, Read};

use serde::{Deserialize, Serialize};
use sigtree_middleware::{Codec, EventTree, Fact, LineError, Projection, Reader};

fn line(n: u32, data: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"{n:026}","source":"/x","type":"n","data":{data}}}"#)
}

/// What became of each line.
fn read(text: impl Into<Vec<u8>>) -> Vec<String> {
    let show = |record: Result<_, LineError>| match record {
        Ok(entry) => format!("{:?}", sigtree_middleware::Entry::payload::<u32>(&entry).unwrap()),
        Err(error) => error.to_string(),
    };
    let codec = Codec::new().with::<u32>("n").unwrap();
    Reader::new(Cursor::new(text.into())).longest_line(1_000).entries(&codec).map(show).collect()
}

#[test]
fn each_bad_line_costs_itself() {
    let mut text = Vec::new();
    let lines: [Vec<u8>; 12] = [
        line(1, "1").into(),
        b"not json".into(),
        b"[]".into(),
        b"{}".into(),
        line(2, "\"text\"").into(),
        b"\xff\xfe".into(),
        line(3, &"9".repeat(1_000)).into(),
        line(4, "-1").replace("\"n\"", "\"n..m\"").into(),
        line(5, "1").replace("\"n\"", "\"other\"").into(),
        line(6, "1").replace("/x", "\\u0000\\ud800").into(),
        b"\0\0\0".into(),
        line(7, "7").into(),
    ];
    for line in &lines {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(line(8, "8").as_bytes().split_last().unwrap().1);
    let seen = read(text);
    let expected = [
        "1",
        "line 2: not an event: not a JSON object",
        "line 3: not an event: not a JSON object",
        "line 4: not an event: missing field `specversion` at byte 2",
        "line 5: the payload of topic `n` is no `u32`: invalid type: string \"text\", expected u32 at byte 6",
        "line 6: not UTF-8 at byte 0",
        "line 7: longer than 1000 bytes",
        "line 8: not an event: attribute `type`: invalid topic `n..m`: empty segment at byte 2: remove one dot",
        "line 9: no type is known for topic `other`: name it with `Codec::with`",
        "line 10: not an event: unexpected end of hex escape at byte 78",
        "line 11: not an event: not a JSON object",
        "7",
        "line 13: torn: the file ends within it",
    ];
    assert_eq!(seen.len(), expected.len());
    for (seen, expected) in seen.iter().zip(expected) {
        assert_eq!(seen, expected);
    }
}

#[test]
fn a_long_text_of_the_wrong_type_makes_no_long_message() {
    let text = format!("\"{}\"", "ł".repeat(1_000_000));
    let lines = format!("{}\n{}\n", line(1, &text), line(2, "2").replace("\"data", &format!("\"time\":{text},\"data")));
    let codec = Codec::new().with::<u32>("n").unwrap();
    let errors: Vec<_> =
        Reader::new(Cursor::new(lines)).entries(&codec).map(|entry| entry.unwrap_err().to_string()).collect();
    assert_eq!(errors.len(), 2);
    assert!(errors.iter().all(|error| error.len() < 700), "{errors:?}");
    assert!(
        errors[0].ends_with("expected u32 at byte 2000002") && errors[1].contains("attribute `time`: "),
        "{errors:?}"
    );
}

#[test]
fn what_is_wrong_is_counted() {
    let text = format!("{}\n{{}}\n{}\n\u{0}\n{}\n{{", line(1, "1"), "x".repeat(2_000), line(2, "\"two\""));
    let mut bytes = text.into_bytes();
    bytes.splice(0..0, *b"\xff\n\n  \n");
    let codec = Codec::new().with::<u32>("n").unwrap();
    let mut entries = Reader::new(Cursor::new(bytes)).longest_line(1_000).entries(&codec);
    let errors: Vec<_> = entries.by_ref().filter_map(Result::err).collect();
    let stats = entries.stats();
    assert_eq!((stats.records, stats.not_utf8, stats.not_events, stats.too_long), (2, 1, 2, 1));
    assert_eq!((stats.payloads, stats.torn, stats.skipped()), (1, 1, 6));
    assert_eq!(errors.iter().map(LineError::line).collect::<Vec<_>>(), [1, 5, 6, 7, 8, 9]);
    assert!(errors[0].is_not_utf8() && errors[1].is_not_an_event() && errors[2].is_too_long() && errors[5].is_torn());
    assert!(errors[4].payload().unwrap().is_wrong_type());
}

/// A type that may be as deep as it likes.
#[derive(Serialize, Deserialize)]
struct Nest(Vec<Nest>);

#[test]
fn deep_json_is_an_error_and_no_overflow() {
    let deep = |n: usize| line(1, &format!("{}{}", "[".repeat(n), "]".repeat(n)));
    let codec = Codec::new().with::<Nest>("n").unwrap();
    let entries = |n| Reader::new(Cursor::new(deep(n))).entries(&codec).next().unwrap();
    assert!(entries(100).is_ok());
    for depth in [200, 1_000_000] {
        let error = entries(depth).unwrap_err().to_string();
        assert!(error.contains("recursion limit exceeded"), "{error}");
        let record = Reader::new(Cursor::new(deep(depth))).next().unwrap().unwrap();
        assert!(record.decode::<serde_json::Value>().is_err());
    }
    // Deep where there is no payload.
    let odd = line(1, "1").replacen('{', &format!("{{\"x\":{}{},", "[".repeat(1_000_000), "]".repeat(1_000_000)), 1);
    assert_eq!(read_all(odd), [true]);
    assert_eq!(read_all("[".repeat(1_000_000)), [false]);
}

fn read_all(text: String) -> Vec<bool> {
    Reader::new(Cursor::new(text)).map(|record| record.is_ok()).collect()
}

#[test]
fn a_line_of_100_mb_is_passed_over() {
    let long = io::repeat(b'x').take(100 << 20);
    let text = Cursor::new(format!("{}\n", line(1, "1")));
    let last = Cursor::new(format!("\n{}\n", line(2, "2")));
    let mut reader = Reader::new(text.chain(long).chain(last));
    let seen: Vec<_> = reader.by_ref().map(|record| record.map_err(|error| error.to_string()).is_ok()).collect();
    assert_eq!((seen, reader.stats().too_long), (vec![true, false, true], 1));
}

/// Fails after its text.
struct Failing(Cursor<String>);

impl Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.read(out)? {
            0 => Err(io::Error::other("unplugged")),
            read => Ok(read),
        }
    }
}

#[test]
fn a_failure_to_read_is_the_last_thing_it_says() {
    let mut reader = Reader::new(Failing(Cursor::new(format!("{}\n", line(1, "1")))));
    assert!(reader.next().unwrap().is_ok());
    let error = reader.next().unwrap().unwrap_err();
    assert!(error.is_io() && error.to_string().ends_with("unplugged"), "{error}");
    assert!(reader.next().is_none());
}

#[test]
fn a_state_that_does_without_bad_lines_does_not_do_without_half_a_recording() {
    let codec = Codec::new().with::<u32>("n").unwrap();
    let text = || Cursor::new(format!("{}\nno json\n{}\n", line(1, "1"), line(2, "2")));
    let sum = |reader: Reader| {
        let state = Projection::of(0).on("n", |sum, n: &Fact<'_, u32>| *sum += **n).unwrap();
        let mut entries = reader.entries(&codec);
        // As the page of `entries` says.
        let read = entries.by_ref().filter(|entry| entry.as_ref().err().is_none_or(LineError::is_io));
        let folded = state.try_catch_up(read);
        (folded, state.state(), entries.stats().skipped())
    };
    let (folded, state, skipped) = sum(Reader::new(text()));
    assert_eq!((folded.unwrap(), state, skipped), (2, 3, 1));

    let (folded, state, skipped) = sum(Reader::new(Failing(text())));
    assert!(folded.unwrap_err().unread().unwrap().is_io());
    assert_eq!((state, skipped), (3, 1));
}

#[test]
fn no_tree_is_made_of_half_a_recording() {
    let recording = |tail: &str| Cursor::new(format!("{}\n{tail}{}\n", line(1, "1"), line(2, "2")));
    let tree = |reader: Reader| EventTree::try_of_records(reader);
    assert_eq!(tree(Reader::new(recording(""))).unwrap().to_string(), "n 1\nn 2\n");
    assert_eq!(tree(Reader::new(recording("{}\n"))).unwrap_err().line(), 2);
    assert!(tree(Reader::new(Failing(recording("")))).unwrap_err().is_io());
}

#[test]
fn unknown_attributes_are_passed_over_and_doubled_ones_refused() {
    let more = line(1, "1").replacen('{', r#"{"datacontenttype":"application/json","x":{"y":[1]},"#, 1);
    let twice = line(1, "1").replacen('{', r#"{"type":"m","#, 1);
    assert_eq!(read(format!("{more}\n{twice}\n")), ["1", "line 2: not an event: duplicate field `type` at byte 86"]);
}
