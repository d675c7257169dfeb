//! [`Panics`] and [`discard`]: what goes wrong with one thing does not keep the next from going on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Keeps the first panic of several calls, to go on when all were made.
#[derive(Debug, Default)]
pub struct Panics(Option<Box<dyn Any + Send>>);

impl Panics {
    /// Calls, and keeps the panic if there is one.
    pub fn catch(&mut self, call: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
            match &self.0 {
                None => self.0 = Some(panic),
                Some(_) => discard(panic),
            }
        }
    }

    /// Lets the first panic go on, unless the thread is panicking already.
    pub fn resume(self) {
        match self.0 {
            Some(panic) if !std::thread::panicking() => resume_unwind(panic),
            other => discard(other),
        }
    }
}

/// Drops something of the user's, such as what a panic carries; a panic of its drop ends nothing else.
pub(crate) fn discard<T>(thing: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(thing))) {
        // Its drop may panic as well, and so on.
        std::mem::forget(panic);
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

    #[test]
    fn what_panics_when_it_is_dropped_is_gone_all_the_same() {
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                resume_unwind(Box::new(()));
            }
        }
        discard(Bad);
        let mut panics = Panics::default();
        panics.catch(|| resume_unwind(Box::new(0)));
        panics.catch(|| resume_unwind(Box::new(Bad)));
        assert!(catch_unwind(AssertUnwindSafe(|| panics.resume())).is_err());
    }
}
