//! [`Recording`]: what happens, on disk.

mod builder;
mod cloud_event;
mod codec;
mod export;
mod files;
mod flush;
mod foreign_id;
mod late_start;
mod line_error;
mod lines;
mod parts;
mod reader;
mod record;
mod sink;
mod source_uri;
mod stats;
#[cfg(feature = "redb")]
mod store;
mod trouble;
mod writer;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

pub use builder::RecordingBuilder;
pub use codec::{Codec, CodecError};
pub use export::Exported;
pub use flush::{Flush, WhenFull};
pub use line_error::LineError;
pub use reader::{Entries, ReadStats, Reader};
pub use record::Record;
pub use sink::{Sink, Unwritten};
pub use stats::RecordingStats;
#[cfg(feature = "redb")]
pub use store::{Query, Records, Store, StoreError};

use stats::Counts;
use trouble::Trouble;
use writer::{Message, Thread};

use crate::file_error::FileError;
use crate::wanted::Wanted;
use crate::{Entry, Event, Middleware, Next, Player, RecordingFailed, Topic};

/// The longest line that is written, and that a [`Reader`] takes unless told otherwise.
const LONGEST_LINE: usize = 16 << 20;

/// The longest topic that is written and read, in bytes, whatever the limits of the bus.
const LONGEST_TOPIC: usize = 4_096;

/// A sequence, or the number of a part, that nobody lives to see: whoever wrote it made it up, and it is passed over.
const MADE_UP: u64 = 1 << 62;

/// Writes the events that come by to a file, one [CloudEvents 1.0](https://cloudevents.io) JSON object a line.
///
/// Reach for it to look at tomorrow what happened today, in this program or with any tool that reads JSON lines. It is a
/// handle: give a bus a clone and keep one. Read it back with [`Reader`], and emit it once more with [`Recording::player`].
/// A [`Codec`] says which topics carry which types; [`RecordingBuilder`] says what is recorded, how large it may become
/// and when it is safe.
///
/// As in a [`History`](crate::History), an event is recorded before what stands behind sees it, and replayed events and
/// the bus's own reports (`$sys.**`) are not, unless asked for.
///
/// # A line
///
/// ```json
/// {"specversion":"1.0","id":"01KAJ8Q0X7M3B2Z5H4T6V8W9YA","source":"tower","type":"radar.track","time":
///  "2026-11-21T07:10:16.5Z","sequence":"000000000042","offset":"12.500000000","data":{"id":7}}
/// ```
///
/// `type` is the topic; `source` is `/sigtree` if the emitter named none; `offset` is the time on the bus's clock. Where an
/// event has them, there are `correlationid`, `causationid`, `priority`, `noecho`, `replayed`, and as texts of JSON
/// `targets` and `meta`.
///
/// # What is lost
///
/// All of it is [counted](Self::stats): events that come while the queue is full, unless emitters are to
/// [wait](WhenFull::Wait); payloads that the codec does not know, and topics of more than 4,096 bytes, which few buses
/// [allow](crate::Limits); what the disk refuses. A full or read-only disk is
/// reported to `tracing`, on `$sys.recording.failed` with the next event that comes by, and by [`sync`](Self::sync). The
/// recording tries again with the next events, in the same file, and the gap in their sequences tells how many are missing.
/// What a write that failed left behind is cut off; where the disk does not let it be, a reader tells of a half line, and
/// reads whole ones although they count as failed. A crash of the process loses the queue; see [`Flush`] for failures of
/// power. Dropping the last handle waits until everything queued is written and synced.
///
/// # Examples
///
/// ```
/// use sigtree::Bus;
/// use sigtree::middleware::{Codec, Recording};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("flight.jsonl");
/// let codec = Codec::new().with::<u32>("count")?;
/// let bus = Bus::new();
/// let recording = Recording::open(&path, &codec)?;
/// bus.layer(recording.clone());
/// for n in 1..=3_u32 {
///     bus.emit("count", n);
/// }
/// recording.sync()?;
/// assert_eq!(recording.stats().written, 3);
///
/// let fresh = Bus::new();
/// let _handler = fresh.connect("count", |n: &u32| println!("{n} again"))?;
/// assert_eq!(Recording::player(&path, &codec)?.run(&fresh).replayed, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cost
///
/// In the emitter's thread what a history costs: the event's id and time, a few pointers copied, one `Arc` for the payload,
/// and a place in a queue that takes no lock. Writing JSON and talking to the disk is done by a thread of its own.
///
/// # Place
///
/// It keeps what reaches it, as it is there. So it belongs behind what removes secrets:
///
/// ```
/// use sigtree::{Bus, Stack};
/// use sigtree::middleware::{Codec, Reader, Recording, Transform};
///
/// # let folder = tempfile::tempdir()?;
/// # let (right, wrong) = (folder.path().join("right.jsonl"), folder.path().join("wrong.jsonl"));
/// let codec = Codec::new().with::<String>("**")?;
/// let redact = || Transform::new(|_: &String| String::from("***"));
/// let first = |path| -> String { Reader::open(path).unwrap().next().unwrap().unwrap().decode().unwrap() };
/// let bus = Bus::new();
///
/// let recording = Recording::open(&right, &codec)?;
/// bus.set_stack(Stack::new().with(redact()).with(recording.clone()));
/// bus.emit("password", String::from("secret"));
/// recording.sync()?;
/// assert_eq!(first(&right), "***");
///
/// let recording = Recording::open(&wrong, &codec)?;
/// bus.set_stack(Stack::new().with(recording.clone()).with(redact()));
/// bus.emit("password", String::from("secret"));
/// recording.sync()?;
/// assert_eq!(first(&wrong), "secret");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Recording(Arc<Inner>);

struct Inner {
    wanted: Wanted,
    when_full: WhenFull,
    /// Dropped before the thread, which ends when the last sender is gone.
    queue: Arc<SyncSender<Message>>,
    thread: Thread,
    counts: Arc<Counts>,
    trouble: Arc<Trouble>,
    name: Arc<str>,
}

impl Recording {
    /// Records everything into one file, or goes on behind what is in it.
    ///
    /// # Errors
    ///
    /// As [`RecordingBuilder::open`].
    pub fn open(path: impl AsRef<Path>, codec: &Codec) -> io::Result<Self> {
        Self::builder(codec).open(path)
    }

    /// Says what is recorded, and how.
    pub fn builder(codec: &Codec) -> RecordingBuilder {
        RecordingBuilder::new(codec.clone())
    }

    /// Plays a recording of this path, reading as it goes.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be opened. What cannot be read later is passed over, and
    /// [counted](crate::ReplayReport::unread).
    pub fn player(path: impl AsRef<Path>, codec: &Codec) -> io::Result<Player> {
        let (path, codec) = (path.as_ref().to_owned(), codec.clone());
        Reader::open(&path)?;
        Ok(Player::try_of(move || {
            let (entries, error) = match Reader::open_behind(&path, (0, 0)) {
                Ok(reader) => (Some(reader.entries(&codec)), None),
                Err(error) => (None, Some(LineError::unopened(error))),
            };
            entries.into_iter().flatten().chain(error.map(Err))
        }))
    }

    /// The files of a recording of this path that there are, the oldest first; the last one is being written.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn files(path: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
        let path = path.as_ref();
        let full = parts::list(path)?.into_iter().map(|part| parts::path_of(path, part.number));
        let current = path.exists().then(|| path.to_owned());
        Ok(full.chain(current).collect())
    }

    /// Waits until everything that was recorded so far is written, and safe from a failure of power.
    ///
    /// # Errors
    ///
    /// If the disk refused something since the last time somebody asked; then [`stats`](Self::stats) tells how much in all.
    /// Or if the thread that writes asks, since it cannot wait for itself.
    pub fn sync(&self) -> io::Result<()> {
        if self.0.thread.is_current() {
            return Err(io::Error::other("the thread that writes cannot wait for itself"));
        }
        let (answer, written) = sync_channel(1);
        let asked = self.0.queue.send(Message::Sync(answer)).is_ok();
        let written = written.recv().ok().filter(|_| asked);
        let written = written.unwrap_or_else(|| Err(io::Error::other("the thread that writes is gone")));
        Ok(written.map_err(FileError::at(Path::new(&*self.0.name)))?)
    }

    /// What became of the events that came by.
    #[must_use]
    pub fn stats(&self) -> RecordingStats {
        self.0.counts.stats()
    }

    /// What went wrong last, if anything did.
    #[must_use]
    pub fn last_failure(&self) -> Option<RecordingFailed> {
        self.0.trouble.latest()
    }
}

impl Middleware for Recording {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        self.0.trouble.report(event, &next);
        if self.0.wanted.has(event) {
            self.0.record(event);
        }
        next.run(event);
    }

    fn retains(&self) -> bool {
        true
    }

    fn applies_to(&self, topic: &Topic) -> bool {
        self.0.wanted.has_topic(topic)
    }

    /// Waits until what it holds is written.
    fn flush(&self) {
        // What went wrong is counted and reported.
        let _ = self.sync();
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("recording to `{}`{}", self.0.name, self.0.wanted).into()
    }
}

impl Inner {
    fn record(&self, event: &Event<'_>) {
        let Some(payload) = event.share_erased() else {
            self.counts.unkept.add(1);
            return;
        };
        let entry = Message::Entry(Entry::of(event, payload, 0));
        let queued = match self.when_full {
            WhenFull::Wait if !self.thread.is_current() => self.queue.send(entry).map_err(TrySendError::from),
            _ => self.queue.try_send(entry),
        };
        match queued {
            Ok(()) => self.counts.taken.add(1),
            Err(_) => self.counts.lost.add(1),
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("name", &self.0.name).field("stats", &self.stats()).finish_non_exhaustive()
    }
}
