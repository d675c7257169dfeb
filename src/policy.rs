use std::num::NonZeroU32;

/// What happens when a handler panics or returns an error; set for a bus or for one connection.
///
/// What fails when the emit is over, as an async handler or a batch may, stops no other one and unwinds nobody; of these policies it
/// knows only `DetachAfter`.
///
/// Whatever the policy, the failure is in the [`Delivery`](crate::Delivery), in a `tracing` event, and on
/// `$sys.handler.failed`. A crate built with `panic = "abort"` cannot isolate panics.
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, Policy};
///
/// let bus = Bus::builder().policy(Policy::FailFast).build();
/// let _first = bus.connect("a", |_: &u32| Err("broken"))?;
/// let _second = bus.connect("a", |_: &u32| println!("not called"))?;
/// let delivery = bus.emit("a", 1_u32);
/// assert_eq!((delivery.called(), delivery.failed()), (1, 1));
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// The other handlers are called as if nothing had happened.
    #[default]
    Isolate,
    /// No further handler is called, and the event does not bubble.
    FailFast,
    /// The other handlers are called, then a panic goes on in the emitter. An error is treated as with `Isolate`.
    Propagate,
    /// The connection ends with its n-th failure.
    DetachAfter(NonZeroU32),
}

impl Policy {
    /// `DetachAfter(n)`; 0 is taken for 1.
    #[must_use]
    pub fn detach_after(n: u32) -> Self {
        Self::DetachAfter(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN))
    }
}
