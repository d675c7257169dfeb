//! [`Line`]: calls that are made one after the other, in the order in which they got in line.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::sync::Mutex;

/// Where calls wait for each other.
#[derive(Clone, Default)]
pub(super) struct Line(Arc<Mutex<Waiting>>);

/// Held for a look, never while a waker or a call is.
#[derive(Default)]
struct Waiting {
    /// The number of the next one to get in line.
    next: u64,
    /// Those in line by their numbers, and how to wake them; the first has its turn.
    wakers: BTreeMap<u64, Option<Waker>>,
}

/// A place in line, until it is dropped; then the next has its turn.
pub(super) struct Turn {
    line: Line,
    number: u64,
}

std::thread_local! {
    /// The lines whose calls this thread polls, the outermost first, by their places.
    static SERVED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// That this thread polls the call that has its turn, until it is dropped.
pub(super) struct Serving(());

impl Drop for Serving {
    fn drop(&mut self) {
        SERVED.with_borrow_mut(Vec::pop);
    }
}

impl Line {
    /// Whether this thread polls the call that has its turn: whoever is polled now is inside of it, and its end waits for him.
    pub(super) fn is_served_here(&self) -> bool {
        SERVED.with_borrow(|served| served.contains(&self.place()))
    }

    fn place(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    pub(super) fn join(&self) -> Turn {
        let mut waiting = self.0.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.wakers.insert(number, None);
        drop(waiting);
        Turn { line: self.clone(), number }
    }
}

impl Turn {
    /// Notes that the call is polled.
    pub(super) fn serve(&self) -> Serving {
        SERVED.with_borrow_mut(|served| served.push(self.line.place()));
        Serving(())
    }

    /// Ready when all before it are gone; until then the task is to be woken.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Cloned and dropped outside of the lock: a waker is code of others.
        let waker = context.waker().clone();
        let (polled, old) = {
            let mut waiting = self.line.0.lock();
            let is_first = waiting.wakers.first_key_value().is_some_and(|(first, _)| *first == self.number);
            let new = if is_first { None } else { Some(waker) };
            let old = waiting.wakers.get_mut(&self.number).map(|place| std::mem::replace(place, new));
            (if is_first { Poll::Ready(()) } else { Poll::Pending }, old)
        };
        drop(old);
        polled
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (own, next) = {
            let mut waiting = self.line.0.lock();
            let own = waiting.wakers.remove(&self.number);
            // If it was not the first that goes, the first is woken for nothing at most.
            (own, waiting.wakers.first_entry().and_then(|mut first| first.get_mut().take()))
        };
        drop(own);
        if let Some(next) = next {
            next.wake();
        }
    }
}
