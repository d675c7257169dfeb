//! Work that one thread at a time takes off the desk, with no lock held while it works.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::thread::{self, ThreadId};

use crossbeam_queue::ArrayQueue;
use parking_lot::{Condvar, Mutex};

use crate::Entry;

/// How many entries wait while another thread works.
const INBOX: usize = 1_024;

/// The work, and an inbox for those who find it taken.
pub(super) struct Desk<W> {
    inbox: ArrayQueue<Entry>,
    top: Mutex<Top<W>>,
    returned: Condvar,
    lost: AtomicU64,
}

/// The work while it lies there, or who has it.
enum Top<W> {
    Here(W),
    With(ThreadId),
}

impl<W> Desk<W> {
    pub(super) fn new(work: W) -> Self {
        Self {
            inbox: ArrayQueue::new(INBOX),
            top: Mutex::new(Top::Here(work)),
            returned: Condvar::new(),
            lost: AtomicU64::new(0),
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Puts an entry into the inbox, and folds what is in it unless another thread does.
    pub(super) fn take_in(&self, entry: Entry, mut fold: impl FnMut(&mut W, &Entry)) {
        if self.inbox.push(entry).is_err() {
            // Relaxed: it only counts.
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.sweep(&mut fold);
    }

    /// Waits for the work, folds what is in the inbox, and does this.
    ///
    /// # Panics
    ///
    /// In the thread that has it, which would wait for itself.
    pub(super) fn work<R>(&self, work: impl FnOnce(&mut W) -> R, mut fold: impl FnMut(&mut W, &Entry)) -> R {
        let mut taken = self.take();
        taken.empty_inbox(&mut fold);
        let result = work(taken.work());
        drop(taken);
        self.sweep(&mut fold);
        result
    }

    /// Empties the inbox unless somebody else is about to.
    ///
    /// It runs after every push into the inbox and after every return of the work, so no entry is left behind. One thread
    /// pushes, fences, and looks for the work; another puts the work back, fences, and looks into the inbox. If the first
    /// fence comes first, the second thread sees the entry. If the second comes first, the first thread finds the work
    /// there, or with a third, who will come by here as well.
    fn sweep(&self, fold: &mut impl FnMut(&mut W, &Entry)) {
        loop {
            fence(Ordering::SeqCst);
            if self.inbox.is_empty() {
                return;
            }
            let Some(mut taken) = self.try_take() else { return };
            taken.empty_inbox(fold);
        }
    }

    /// Takes the work if it is there.
    fn try_take(&self) -> Option<Taken<'_, W>> {
        Self::take_from(&mut self.top.lock()).map(|work| Taken { desk: self, work: Some(work) })
    }

    /// Waits until the work is there, and takes it.
    fn take(&self) -> Taken<'_, W> {
        let mut top = self.top.lock();
        loop {
            if let Some(work) = Self::take_from(&mut top) {
                return Taken { desk: self, work: Some(work) };
            }
            let own = matches!(&*top, Top::With(thread) if *thread == thread::current().id());
            assert!(!own, "a fold asks its own projection for the state it is changing");
            self.returned.wait(&mut top);
        }
    }

    fn take_from(top: &mut Top<W>) -> Option<W> {
        if matches!(top, Top::With(_)) {
            return None;
        }
        match std::mem::replace(top, Top::With(thread::current().id())) {
            Top::Here(work) => Some(work),
            Top::With(_) => None,
        }
    }
}

/// The work, off the desk; it is put back even if a fold panics.
struct Taken<'d, W> {
    desk: &'d Desk<W>,
    work: Option<W>,
}

impl<W> Taken<'_, W> {
    fn work(&mut self) -> &mut W {
        self.work.as_mut().expect("it is put back when dropped, and not before")
    }

    /// Folds at most one inboxful, so that whoever reads is never kept by others' pushing.
    fn empty_inbox(&mut self, fold: &mut impl FnMut(&mut W, &Entry)) {
        for _ in 0..INBOX {
            let Some(entry) = self.desk.inbox.pop() else { return };
            fold(self.work(), &entry);
        }
    }
}

impl<W> Drop for Taken<'_, W> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            *self.desk.top.lock() = Top::Here(work);
            self.desk.returned.notify_all();
        }
    }
}
