//! [`Notes`]: what few emits have.

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::Emission;
use crate::Failure;

/// What few emits have: failures, a computed reason, a panic to pass on.
#[derive(Default)]
pub(super) struct Notes {
    failures: RefCell<Vec<Arc<Failure>>>,
    pub(super) reason: RefCell<Option<Cow<'static, str>>>,
    error: RefCell<Option<Box<dyn Error + Send + Sync>>>,
    panic: RefCell<Option<Box<dyn Any + Send>>>,
    /// Set if handlers are asked for answers; inside, the answer of the handler that just returned.
    question: RefCell<Option<Option<Box<dyn Any>>>>,
}

impl Emission<'_> {
    /// Records a handler or layer that failed.
    pub fn add_failure(&self, failure: Arc<Failure>) {
        self.failed.set(self.failed.get() + 1);
        self.notes().failures.borrow_mut().push(failure);
    }

    /// The failures so far.
    pub fn failures(&self) -> Vec<Arc<Failure>> {
        self.notes.get().map_or_else(Vec::new, |notes| notes.failures.borrow().clone())
    }

    /// Hands a handler's error to whoever called the handler.
    pub fn set_error(&self, error: Box<dyn Error + Send + Sync>) {
        *self.notes().error.borrow_mut() = Some(error);
    }

    /// Whether an error waits to be taken.
    pub fn has_error(&self) -> bool {
        self.notes.get().is_some_and(|notes| notes.error.borrow().is_some())
    }

    /// Takes the error of the handler that just returned.
    pub fn take_error(&self) -> Option<Box<dyn Error + Send + Sync>> {
        self.notes.get().and_then(|notes| notes.error.borrow_mut().take())
    }

    /// Keeps a panic that is to go on in the emitter; the first one stands.
    pub fn set_panic(&self, panic: Box<dyn Any + Send>) {
        self.notes().panic.borrow_mut().get_or_insert(panic);
    }

    /// Takes the panic that is to go on in the emitter.
    pub fn take_panic(&self) -> Option<Box<dyn Any + Send>> {
        self.notes.get().and_then(|notes| notes.panic.borrow_mut().take())
    }

    /// Makes it a question: handlers that answer are called, and no others.
    pub fn ask(&self) {
        *self.notes().question.borrow_mut() = Some(None);
    }

    /// Whether handlers are asked for answers.
    pub fn is_question(&self) -> bool {
        self.notes.get().is_some_and(|notes| notes.question.borrow().is_some())
    }

    /// Hands a handler's answer to whoever asked.
    pub fn set_answer(&self, answer: Box<dyn Any>) {
        let before = self.notes().question.borrow_mut().replace(Some(answer));
        // The answer of an earlier try, whose destructor may be anything.
        drop(before);
    }

    /// Takes the answer of the handler that just returned.
    pub fn take_answer(&self) -> Option<Box<dyn Any>> {
        self.notes.get().and_then(|notes| notes.question.borrow_mut().as_mut().and_then(Option::take))
    }

    /// Whether anything but calls happened: failures, a reason, a panic.
    #[inline]
    pub fn is_eventful(&self) -> bool {
        self.notes.get().is_some()
    }

    pub(super) fn notes(&self) -> &Notes {
        self.notes.get_or_init(Box::default)
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes").field("failures", &self.failures).finish_non_exhaustive()
    }
}
