//! The type a topic's payloads have.

use std::any::{Any, TypeId, type_name};
use std::sync::Arc;

use sigtree_middleware::{Erased, Kept};

/// A payload type, with its name for messages.
#[derive(Debug, Clone, Copy)]
pub struct PayloadType {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
}

impl PayloadType {
    pub(crate) fn of<T: Any>() -> Self {
        Self { id: TypeId::of::<T>(), name: type_name::<T>() }
    }
}

/// A payload on its way into an emit, put into an `Arc` only if something in the route keeps it.
pub trait Offer: Sized {
    /// Whether it is made only if somebody listens.
    const IS_MADE: bool = false;

    /// The payload's type.
    fn payload_type(&self) -> PayloadType;

    /// Lends the payload.
    fn give<R>(self, retain: bool, lend: impl FnOnce(&Erased, &Kept) -> R) -> R;

    /// The payload for one that keeps it and is the only one to have it, unless it has to be copied for that.
    fn own(self) -> Result<Arc<Erased>, Self>;
}

/// A payload given away.
#[derive(Debug, Clone)]
pub struct Owned<T>(pub(crate) T);

/// A payload lent, cloned once if something keeps it.
#[derive(Debug)]
pub struct Borrowed<'a, T>(pub(crate) &'a T);

/// A payload that is shared already.
#[derive(Debug)]
pub struct Shared<T>(pub(crate) Arc<T>);

/// A payload made only if somebody listens.
pub(crate) struct Made<F>(pub(crate) F);

/// A shared payload whose type is known only at run time: a replay.
#[derive(Clone)]
pub(crate) struct SharedErased(pub(crate) Arc<Erased>);

impl<T: Any + Send + Sync> Offer for Owned<T> {
    fn payload_type(&self) -> PayloadType {
        PayloadType::of::<T>()
    }

    #[inline(always)]
    fn give<R>(self, retain: bool, lend: impl FnOnce(&Erased, &Kept) -> R) -> R {
        if retain { Shared(Arc::new(self.0)).give(true, lend) } else { lend(&self.0, &Kept::borrowed()) }
    }

    #[inline]
    fn own(self) -> Result<Arc<Erased>, Self> {
        Ok(Arc::new(self.0))
    }
}

impl<T: Any + Send + Sync + Clone> Offer for Borrowed<'_, T> {
    fn payload_type(&self) -> PayloadType {
        PayloadType::of::<T>()
    }

    #[inline(always)]
    fn give<R>(self, _retain: bool, lend: impl FnOnce(&Erased, &Kept) -> R) -> R {
        lend(self.0, &Kept::cloned::<T>())
    }

    #[inline]
    fn own(self) -> Result<Arc<Erased>, Self> {
        Err(self)
    }
}

impl<T: Any + Send + Sync> Offer for Shared<T> {
    fn payload_type(&self) -> PayloadType {
        PayloadType::of::<T>()
    }

    #[inline(always)]
    fn give<R>(self, _retain: bool, lend: impl FnOnce(&Erased, &Kept) -> R) -> R {
        let kept = Kept::shared(self.0);
        lend(kept.expect_shared(), &kept)
    }

    #[inline]
    fn own(self) -> Result<Arc<Erased>, Self> {
        Ok(self.0)
    }
}

impl<T: Any + Send + Sync, F: FnOnce() -> T> Offer for Made<F> {
    const IS_MADE: bool = true;

    fn payload_type(&self) -> PayloadType {
        PayloadType::of::<T>()
    }

    #[inline(always)]
    fn give<R>(self, retain: bool, lend: impl FnOnce(&Erased, &Kept) -> R) -> R {
        Owned(self.0()).give(retain, lend)
    }

    #[inline]
    fn own(self) -> Result<Arc<Erased>, Self> {
        Ok(Arc::new(self.0()))
    }
}

impl Offer for SharedErased {
    fn payload_type(&self) -> PayloadType {
        PayloadType { id: (*self.0).type_id(), name: "a replayed payload" }
    }

    fn give<R>(self, _retain: bool, lend: impl FnOnce(&Erased, &Kept) -> R) -> R {
        lend(&*self.0.clone(), &Kept::shared(self.0))
    }

    fn own(self) -> Result<Arc<Erased>, Self> {
        Ok(self.0)
    }
}
