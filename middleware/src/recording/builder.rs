//! [`RecordingBuilder`]: what is recorded, and how.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use super::files::{Bounds, Files};
use super::stats::Counts;
use super::trouble::Trouble;
use super::writer::{Bell, Thread, Writer};
use super::{Codec, Flush, Inner, MADE_UP, Recording, Sink, WhenFull};
use crate::wanted::Wanted;
use crate::{Clock, Event, IntoPattern, ParseError, SystemClock};

/// Builds a [`Recording`]; begin with [`Recording::builder`].
///
/// Unless told otherwise it records everything but replays and the bus's own reports, queues 4,096 events, gives events up
/// when the queue is full, lets the operating system decide when to sync, and writes one file without an end.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree_middleware::{Codec, Flush, Recording};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("flight.jsonl");
/// let recording = Recording::builder(&Codec::json())
///     .matching("radar.**")?
///     .part_bytes(64 << 20)
///     .bytes(1 << 30)
///     .flush(Flush::Every(Duration::from_secs(1)))
///     .open(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until `open` is called"]
pub struct RecordingBuilder {
    codec: Codec,
    wanted: Wanted,
    queue: usize,
    when_full: WhenFull,
    flush: Flush,
    clock: Arc<dyn Clock>,
    bounds: Bounds,
}

impl RecordingBuilder {
    pub(super) fn new(codec: Codec) -> Self {
        Self {
            codec,
            wanted: Wanted::default(),
            queue: 4_096,
            when_full: WhenFull::default(),
            flush: Flush::default(),
            clock: Arc::new(SystemClock::new()),
            bounds: Bounds { part_bytes: u64::MAX, part_events: u64::MAX, bytes: u64::MAX },
        }
    }

    /// Records only the topics that match; of several patterns given in turn, the last one counts.
    ///
    /// # Errors
    ///
    /// If `pattern` is not a pattern.
    pub fn matching(mut self, pattern: impl IntoPattern) -> Result<Self, ParseError> {
        self.wanted.set_pattern(pattern)?;
        Ok(self)
    }

    /// Records only the events for which `condition` says `true`; of several given in turn, the last one counts.
    pub fn filter(mut self, condition: impl Fn(&Event<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.wanted.set_condition(condition);
        self
    }

    /// Says whether replayed events are recorded again; they are not, unless asked for.
    pub fn replays(mut self, recorded: bool) -> Self {
        self.wanted.set_replays(recorded);
        self
    }

    /// Queues at most this many events, and at least one, between the emitters and the thread that writes.
    pub fn queue(mut self, most: usize) -> Self {
        self.queue = most;
        self
    }

    /// Says what happens when the queue is full.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// Says when the disk is asked to keep what was written.
    pub fn flush(mut self, flush: Flush) -> Self {
        self.flush = flush;
        self
    }

    /// Reads this clock for [`Flush::Every`]; a [`SystemClock`] unless said otherwise.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Begins a new file when the next line would make this one larger.
    pub fn part_bytes(mut self, most: u64) -> Self {
        self.bounds.part_bytes = most;
        self
    }

    /// Begins a new file when this one has so many events.
    pub fn part_events(mut self, most: u64) -> Self {
        self.bounds.part_events = most;
        self
    }

    /// Lets all files of the recording take at most this many bytes: the oldest full parts are thrown away, and
    /// [counted](crate::RecordingStats::removed_bytes). A part is then never larger than half of it.
    ///
    /// The recording throws away what has the name of a part, from the latest back to the first gap in the numbers. What you
    /// put there from an archive stays, behind a gap, and counts for nothing.
    pub fn bytes(mut self, most: u64) -> Self {
        self.bounds.bytes = most;
        self
    }

    /// Opens files of this path, or goes on behind what is there, and begins to record.
    ///
    /// The file of this very name is the one being written; a full `flight.jsonl` becomes `flight.part-000001.jsonl` and so
    /// on. Full parts may be moved away, all of them, while an event stands in the one being written: the numbers go on
    /// above theirs. If the last line is torn, the next one begins a new line, and a reader tells of the torn one. Two
    /// recordings must not write to one path.
    ///
    /// # Errors
    ///
    /// If the file or its folder cannot be read and written, or no thread can be started.
    pub fn open(self, path: impl AsRef<Path>) -> io::Result<Recording> {
        let counts = Arc::new(Counts::default());
        let files = Files::open(path.as_ref(), self.bounds, counts.clone())?;
        self.start(Box::new(files), counts)
    }

    /// Begins to record into something else than files. The bounds of files do not concern it.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub fn open_sink(self, sink: impl Sink) -> io::Result<Recording> {
        self.start(Box::new(sink), Arc::default())
    }

    fn start(self, sink: Box<dyn Sink>, counts: Arc<Counts>) -> io::Result<Recording> {
        let (queue, inbox) = sync_channel(self.queue.max(1));
        let queue = Arc::new(queue);
        let (trouble, name) = (Arc::<Trouble>::default(), Arc::<str>::from(sink.describe()));
        let writer = Writer {
            inbox,
            sequence: Some(sink.last_sequence()).filter(|sequence| *sequence < MADE_UP).unwrap_or(0),
            sink,
            codec: self.codec,
            counts: counts.clone(),
            trouble: trouble.clone(),
            name: name.clone(),
            flush: self.flush,
            clock: self.clock,
            bell: Arc::new(Bell::new(&queue)),
            unsynced: 0,
            unanswered: None,
        };
        Ok(Recording(Arc::new(Inner {
            wanted: self.wanted,
            when_full: self.when_full,
            queue,
            thread: Thread::start(writer)?,
            counts,
            trouble,
            name,
        })))
    }
}

impl fmt::Debug for RecordingBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingBuilder")
            .field("codec", &self.codec)
            .field("wanted", &self.wanted)
            .field("queue", &self.queue)
            .field("when_full", &self.when_full)
            .field("flush", &self.flush)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}
