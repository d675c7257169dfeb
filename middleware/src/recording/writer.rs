//! The thread that writes.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use super::stats::{Counts, RecordingStats};
use super::trouble::Trouble;
use super::{Codec, Flush, Record, Sink, Unwritten};
use crate::{Alarm, Cause, Clock, Entry, RecordingFailed};

/// What the thread is sent.
pub(super) enum Message {
    Entry(Entry),
    /// Write and sync all that came before, then answer.
    Sync(SyncSender<io::Result<()>>),
    /// Look at the time.
    Tick,
}

/// A batch ends when it has so many events, or so many bytes of payloads.
const BATCH: usize = 1_024;
const BATCH_BYTES: usize = 1 << 20;

pub(super) struct Writer {
    pub(super) inbox: Receiver<Message>,
    pub(super) sink: Box<dyn Sink>,
    pub(super) codec: Codec,
    pub(super) counts: Arc<Counts>,
    pub(super) trouble: Arc<Trouble>,
    pub(super) name: Arc<str>,
    pub(super) flush: Flush,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bell: Arc<Bell>,
    pub(super) sequence: u64,
    /// Records written and not yet synced.
    pub(super) unsynced: u64,
    /// What failed since somebody last asked.
    pub(super) unanswered: Option<io::Error>,
}

/// Records to be written together, and who waits for them.
#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    bytes: usize,
    waiting: Vec<SyncSender<io::Result<()>>>,
}

impl Writer {
    /// Writes until the queue is empty and nobody is left to fill it.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.inbox.recv() {
            let batch = self.gather(first);
            self.write(&batch.records);
            self.sync_if_due(!batch.waiting.is_empty());
            self.answer(&batch.waiting);
        }
        self.sync_if_due(true);
    }

    /// Tells those who wait whether all went well.
    fn answer(&mut self, waiting: &[SyncSender<io::Result<()>>]) {
        if waiting.is_empty() {
            return;
        }
        let failed = self.unanswered.take();
        for waiting in waiting {
            // Whoever gave up waiting needs no answer.
            let _ = waiting.send(failed.as_ref().map_or(Ok(()), |error| Err(copy_of(error))));
        }
    }

    /// Takes what is there, up to a batch.
    fn gather(&mut self, first: Message) -> Batch {
        let mut batch = Batch::default();
        let mut next = Some(first);
        while let Some(message) = next.take() {
            match message {
                Message::Entry(entry) => self.add(entry, &mut batch),
                Message::Sync(waiting) => batch.waiting.push(waiting),
                Message::Tick => {}
            }
            if batch.records.len() < BATCH && batch.bytes < BATCH_BYTES {
                next = self.inbox.try_recv().ok();
            }
        }
        batch
    }

    /// Makes a record of an entry. Writing and dropping a payload is foreign code, and may panic.
    fn add(&mut self, entry: Entry, batch: &mut Batch) {
        let entry = entry.numbered(self.sequence + 1);
        let codec = &self.codec;
        match guarded(move || Record::of(&entry, codec)) {
            Ok(Ok(record)) => {
                self.sequence += 1;
                batch.bytes += record.data().len();
                batch.records.push(record);
            }
            Ok(Err(error)) => self.refuse(&error.to_string()),
            Err(panic) => self.refuse(&panic),
        }
    }

    fn refuse(&self, error: &str) {
        self.counts.unwritable.add(1);
        self.raise(error);
    }

    fn write(&mut self, records: &[Record]) {
        if records.is_empty() {
            return;
        }
        let sink = &mut self.sink;
        let result = guarded(|| sink.write(records))
            .unwrap_or_else(|panic| Err(Unwritten { lost: records.len(), error: io::Error::other(panic) }));
        let lost = result.as_ref().map_or_else(|unwritten| unwritten.lost.min(records.len()), |()| 0);
        let written = (records.len() - lost) as u64;
        self.counts.written.add(written);
        self.counts.failed.add(lost as u64);
        if self.unsynced == 0 && written > 0 {
            self.set_alarm();
        }
        self.unsynced += written;
        if let Err(Unwritten { error, .. }) = result {
            self.fail(error);
        }
    }

    fn set_alarm(&self) {
        if let Flush::Every(pause) = self.flush {
            let bell: Arc<dyn Alarm> = self.bell.clone();
            let weak: Weak<dyn Alarm> = Arc::downgrade(&bell);
            self.clock.wake(self.clock.elapsed().saturating_add(pause), weak);
        }
    }

    fn sync_if_due(&mut self, asked: bool) {
        let rung = self.bell.take();
        let due = match self.flush {
            Flush::System => false,
            Flush::Batch => true,
            Flush::Events(n) => self.unsynced >= n,
            Flush::Every(_) => rung,
        };
        if self.unsynced == 0 || !(due || asked) {
            return;
        }
        self.unsynced = 0;
        let sink = &mut self.sink;
        if let Err(error) = guarded(|| sink.sync()).unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            self.fail(error);
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.raise(&error.to_string());
        self.unanswered = Some(error);
    }

    fn raise(&self, error: &str) {
        let stats = self.counts.stats();
        let lost = stats.lost + stats.unwritable + stats.failed;
        self.trouble.raise(RecordingFailed { recording: self.name.clone(), lost, error: error.into() });
    }
}

/// Whatever ends the thread before its time, somebody is told; what was queued has failed.
impl Drop for Writer {
    fn drop(&mut self) {
        if thread::panicking() {
            let RecordingStats { taken, written, unwritable, failed, .. } = self.counts.stats();
            self.counts.failed.add(taken.saturating_sub(written + unwritable + failed));
            self.raise("the thread that writes panicked, and is gone");
        }
    }
}

/// Calls foreign code; if it panics, says what of.
fn guarded<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let cause = Cause::of_panic(&*panic).to_string();
        // Its own drop could panic as well.
        std::mem::forget(panic);
        cause
    })
}

fn copy_of(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

/// Wakes the thread when it is time to sync.
pub(super) struct Bell {
    rung: AtomicBool,
    /// Weak, for the thread ends when the last sender is gone.
    inbox: Weak<SyncSender<Message>>,
}

impl Bell {
    pub(super) fn new(inbox: &Arc<SyncSender<Message>>) -> Self {
        Self { rung: AtomicBool::new(false), inbox: Arc::downgrade(inbox) }
    }

    fn take(&self) -> bool {
        // Relaxed: it orders nothing; what is synced came through the queue.
        self.rung.swap(false, Ordering::Relaxed)
    }
}

impl Alarm for Bell {
    fn ring(&self) {
        self.rung.store(true, Ordering::Relaxed);
        // If the queue is full, the thread is about to look anyway.
        if let Some(inbox) = self.inbox.upgrade() {
            let _ = inbox.try_send(Message::Tick);
        }
    }
}

/// The thread, for whoever has to wait for its end.
pub(super) struct Thread(Option<JoinHandle<()>>);

impl Thread {
    pub(super) fn start(writer: Writer) -> io::Result<Self> {
        let thread = thread::Builder::new().name("sigtree-recording".into()).spawn(|| writer.run())?;
        Ok(Self(Some(thread)))
    }

    /// Whether this very thread is it.
    pub(super) fn is_current(&self) -> bool {
        self.0.as_ref().is_some_and(|thread| thread.thread().id() == thread::current().id())
    }
}

/// Waits until it has written everything, unless a payload it has written held the last handle.
impl Drop for Thread {
    fn drop(&mut self) {
        if !self.is_current()
            && let Some(thread) = self.0.take()
        {
            // A panic that ended it was told when it happened.
            let _ = thread.join();
        }
    }
}
