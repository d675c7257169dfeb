//! [`Panics`]: what goes wrong with one event does not keep the next from going on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Keeps the first panic of several calls, to go on when all were made.
#[derive(Default)]
pub(crate) struct Panics(Option<Box<dyn Any + Send>>);

impl Panics {
    /// Calls, and keeps the panic if there is one.
    pub(crate) fn catch(&mut self, call: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
            match &self.0 {
                None => self.0 = Some(panic),
                // Dropping it may panic again.
                Some(_) => std::mem::forget(panic),
            }
        }
    }

    /// Lets the first panic go on, unless the thread is panicking already.
    pub(crate) fn resume(self) {
        match self.0 {
            Some(panic) if !std::thread::panicking() => resume_unwind(panic),
            other => std::mem::forget(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_calls_are_made_and_the_first_panic_goes_on() {
        let mut calls = 0;
        let all = catch_unwind(AssertUnwindSafe(|| {
            let mut panics = Panics::default();
            for n in 0..3 {
                panics.catch(|| {
                    calls += 1;
                    // Without the hook's noise.
                    resume_unwind(Box::new(n));
                });
            }
            panics.resume();
        }));
        assert_eq!((calls, *all.unwrap_err().downcast::<i32>().unwrap()), (3, 0));
    }
}
