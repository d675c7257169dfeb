//! The payload and the handler of every row: 64 bytes by reference, and an addition to a counter of the emitting thread.

use std::cell::Cell;
use std::hint::black_box;

#[derive(Clone, Copy)]
pub(crate) struct Track {
    pub(crate) id: u64,
    _rest: [u64; 7],
}

pub(crate) const TRACK: Track = Track { id: 1, _rest: [0; 7] };

thread_local! {
    static SEEN: Cell<u64> = const { Cell::new(0) };
}

#[inline]
pub(crate) fn see(track: &Track) {
    SEEN.set(SEEN.get().wrapping_add(track.id));
}

/// The bare limit.
pub(crate) struct Bare(Vec<Box<Handler>>);

type Handler = dyn Fn(&Track) + Send + Sync;

impl Bare {
    pub(crate) fn new(n: usize) -> Self {
        let mut bare = Self(Vec::new());
        (0..n).for_each(|_| bare.push());
        bare
    }

    /// Adds a handler.
    pub(crate) fn push(&mut self) {
        self.0.push(Box::new(see));
    }

    /// Takes the last handler out.
    pub(crate) fn pop(&mut self) {
        drop(self.0.pop());
    }

    /// Calls the handlers; the list is looked up anew each time, as an emitter must.
    #[inline]
    pub(crate) fn emit(&self, track: &Track) {
        for call in &black_box(self).0 {
            call(track);
        }
    }
}
