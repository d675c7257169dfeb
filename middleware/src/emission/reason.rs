//! [`Reason`]: why a layer did not go on.

use std::borrow::Cow;

use super::Emission;

/// Why a layer did not go on, if one said so.
#[derive(Debug, Default)]
#[must_use = "a reason that was taken must be put back"]
pub struct Reason {
    fixed: Option<&'static str>,
    computed: Option<Cow<'static, str>>,
}

impl Reason {
    /// Whether there is one.
    #[inline]
    pub(super) fn is_given(&self) -> bool {
        self.fixed.is_some() || self.computed.is_some()
    }
}

impl Emission<'_> {
    /// Says why a layer did not go on; the first reason stands.
    pub fn discard(&self, reason: Cow<'static, str>) {
        if self.reason.get().is_some() || self.notes.get().is_some_and(|notes| notes.reason.borrow().is_some()) {
            return;
        }
        match reason {
            Cow::Borrowed(text) => self.reason.set(Some(text)),
            owned @ Cow::Owned(_) => *self.notes().reason.borrow_mut() = Some(owned),
        }
    }

    /// Takes the reason out, so that another one can stand for a while.
    #[inline]
    pub fn take_reason(&self) -> Reason {
        let computed = self.notes.get().and_then(|notes| notes.reason.borrow_mut().take());
        Reason { fixed: self.reason.take(), computed }
    }

    /// Puts a reason back, in the place of whatever stands there.
    #[inline]
    pub fn put_reason(&self, reason: Reason) {
        self.reason.set(reason.fixed);
        if reason.computed.is_some() || self.notes.get().is_some() {
            *self.notes().reason.borrow_mut() = reason.computed;
        }
    }

    /// Why a layer did not go on, if one said so.
    pub fn reason(&self) -> Option<Cow<'static, str>> {
        match self.reason.get() {
            Some(text) => Some(Cow::Borrowed(text)),
            None => self.notes.get().and_then(|notes| notes.reason.borrow().clone()),
        }
    }

    /// The same, as long as no reason was computed: without a look at the notes.
    #[inline]
    pub fn static_reason(&self) -> Option<&'static str> {
        self.reason.get()
    }
}
