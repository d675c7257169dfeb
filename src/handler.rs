//! What can be called: the forms of closures and methods, and what they may return.

use std::any::{Any, TypeId};
use std::error::Error;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use sigtree_middleware::{Erased, Event};

use crate::dispatch::alike::{Alike, Uniform};
use crate::dispatch::slot::{Call, CallTyped, Called, Holder, TypedSlot};
use crate::payload::PayloadType;

/// What a handler may be: a closure or function of one of four forms.
///
/// | form | sees |
/// |---|---|
/// | `Fn(&Event)` | every event of the pattern |
/// | `Fn(&T)` | payloads of type `T` |
/// | `Fn(&T, &Event)` | the same, with the event around them |
/// | `Fn(Arc<T>)` | the same, for keeping; payloads are put into one `Arc` for all who keep them |
///
/// Each returns `()` or a `Result<(), E>` whose error turns into a `Box<dyn Error + Send + Sync>`. The argument's type must
/// be written, because it says which form it is: `|track: &Track| ..`. Without it the compiler says `type annotations needed` and
/// proposes the last form, which is rarely the one that is meant. A body that ends in a value needs a `;`, and `T` has a size:
/// `&String` or `&&'static str`, not `&str`.
///
/// On an exact topic a handler's `T` is the type of the topic; on a wildcard a handler sees the topics of its type.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use sigtree::{Bus, Event};
///
/// #[derive(Debug)]
/// struct Track { id: u32 }
///
/// let bus = Bus::new();
/// let _all = bus.connect("radar.**", |event: &Event| println!("{}", event.topic()))?;
/// let _one = bus.connect("radar.*", |track: &Track| println!("{}", track.id))?;
/// let _two = bus.connect("radar.*", |track: &Track, event: &Event| println!("{} {}", event.topic(), track.id))?;
/// let _own = bus.connect("radar.*", |track: Arc<Track>| std::thread::spawn(move || println!("{}", track.id)).join().map_err(|_| "lost"))?;
/// assert_eq!(bus.emit("radar.new", Track { id: 7 }).called(), 4);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not a handler",
    note = "write the argument's type: `|event: &Event| ..`, `|track: &Track| ..`, `|track: &Track, event: &Event| ..` or `|track: Arc<Track>| ..`",
    note = "its last expression has a `;` unless it is a `Result<(), E>`; `&str` has no size, take `&String` or `&&'static str`",
    note = "a handler is `Fn` (not `FnMut`), `Send + Sync + 'static`, and returns `()` or a `Result<(), E>`; its payload type is `Send + Sync + 'static`"
)]
pub trait IntoHandler<Form>: Send + Sync + Sized + 'static {
    #[doc(hidden)]
    type Call: Call;

    #[doc(hidden)]
    fn into_call(self) -> Self::Call;

    #[doc(hidden)]
    fn payload_type() -> Option<fn() -> PayloadType>;
}

/// What a method of a receiver may be: the forms of [`IntoHandler`] with the receiver as the first argument.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a method that handles events of a `{R}`",
    label = "not a method of the receiver that can be a handler",
    note = "it takes `&{R}` and then `&Event`, `&T`, `&T, &Event` or `Arc<T>`, and returns `()` or a `Result<(), E>`"
)]
pub trait IntoMethod<R, Form>: Send + Sync + 'static {
    #[doc(hidden)]
    const RETAINS: bool = false;

    /// Whether it takes a payload by reference and returns nothing.
    #[doc(hidden)]
    const QUIET: bool = false;

    #[doc(hidden)]
    fn call_on(&self, receiver: &R, event: &Event<'_>) -> Called;

    #[doc(hidden)]
    fn call_quiet_on(&self, receiver: &R, payload: &Erased) -> Called {
        let _ = (receiver, payload);
        unreachable!("only quiet methods are called without an event")
    }

    #[doc(hidden)]
    fn payload_type() -> Option<fn() -> PayloadType>;
}

/// What a handler may return: `()` or a `Result<(), E>`.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    note = "it returns `()` or a `Result<(), E>` whose error turns into a `Box<dyn std::error::Error + Send + Sync>`",
    note = "if it never returns, write what it would return: `|event: &Event| -> () ..`"
)]
pub trait Outcome {
    /// Whether there is nothing to be noted.
    #[doc(hidden)]
    const QUIET: bool = false;

    #[doc(hidden)]
    fn note(self, event: &Event<'_>) -> Called;

    #[doc(hidden)]
    fn into_result(self) -> Result<(), Box<dyn Error + Send + Sync>>;
}

impl Outcome for () {
    const QUIET: bool = true;

    #[inline]
    fn note(self, _event: &Event<'_>) -> Called {
        Called::Done
    }

    fn into_result(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.map_err(Into::into)
    }

    #[inline]
    fn note(self, event: &Event<'_>) -> Called {
        match self {
            Ok(()) => Called::Done,
            Err(error) => {
                event.emission().set_error(error.into());
                Called::Failed
            }
        }
    }
}

/// Marks `Fn(&Event)`.
#[derive(Debug)]
pub struct ByEvent<O>(PhantomData<fn() -> O>);
/// Marks `Fn(&T)`.
#[derive(Debug)]
pub struct ByRef<T, O>(PhantomData<fn(T) -> O>);
/// Marks `Fn(&T, &Event)`.
#[derive(Debug)]
pub struct ByRefAndEvent<T, O>(PhantomData<fn(T) -> O>);
/// Marks `Fn(Arc<T>)`.
#[derive(Debug)]
pub struct ByArc<T, O>(PhantomData<fn(T) -> O>);

/// A handler together with its form.
#[doc(hidden)]
#[derive(Debug)]
pub struct Form<F, M>(F, PhantomData<fn(M)>);

impl<F, O> IntoHandler<ByEvent<O>> for F
where
    F: Fn(&Event<'_>) -> O + Send + Sync + 'static,
    O: Outcome + 'static,
{
    type Call = Form<F, ByEvent<O>>;

    fn into_call(self) -> Self::Call {
        Form(self, PhantomData)
    }

    fn payload_type() -> Option<fn() -> PayloadType> {
        None
    }
}

impl<F, O> Call for Form<F, ByEvent<O>>
where
    F: Fn(&Event<'_>) -> O + Send + Sync + 'static,
    O: Outcome + 'static,
{
    #[inline]
    fn call(&self, event: &Event<'_>) -> Called {
        stopped_or((self.0)(event).note(event), event)
    }
}

impl<F, T, O> IntoHandler<ByRef<T, O>> for F
where
    F: Fn(&T) -> O + Send + Sync + 'static,
    T: Any + Send + Sync,
    O: Outcome + 'static,
{
    type Call = Form<F, ByRef<T, O>>;

    fn into_call(self) -> Self::Call {
        Form(self, PhantomData)
    }

    fn payload_type() -> Option<fn() -> PayloadType> {
        Some(PayloadType::of::<T>)
    }
}

impl<F, T, O> Call for Form<F, ByRef<T, O>>
where
    F: Fn(&T) -> O + Send + Sync + 'static,
    T: Any + Send + Sync,
    O: Outcome + 'static,
{
    const QUIET: bool = O::QUIET;

    #[inline]
    fn call_quiet(&self, payload: &Erased) -> Called {
        match payload.downcast_ref() {
            Some(payload) => self.call_typed_quiet(payload),
            None => Called::OtherType,
        }
    }

    #[inline]
    fn call(&self, event: &Event<'_>) -> Called {
        match event.payload() {
            Some(payload) => self.call_typed(payload, event),
            None => Called::OtherType,
        }
    }

    fn accepts(&self, payload: TypeId) -> bool {
        payload == TypeId::of::<T>()
    }

    fn uniform(slot: Arc<Holder<Self>>) -> Option<Box<dyn Uniform>> {
        Some(Alike::<dyn TypedSlot<T>>::of(slot))
    }

    fn offer(slot: Arc<Holder<Self>>, place: &mut dyn Any) {
        if let Some(place) = place.downcast_mut::<Option<Arc<dyn TypedSlot<T>>>>() {
            *place = Some(slot);
        }
    }
}

impl<F, T, O> CallTyped<T> for Form<F, ByRef<T, O>>
where
    F: Fn(&T) -> O + Send + Sync + 'static,
    T: Any + Send + Sync,
    O: Outcome + 'static,
{
    #[inline]
    fn call_typed(&self, payload: &T, event: &Event<'_>) -> Called {
        (self.0)(payload).note(event)
    }

    #[inline]
    fn call_typed_quiet(&self, payload: &T) -> Called {
        // Quiet handlers return nothing that could be noted.
        let _ = (self.0)(payload);
        Called::Done
    }
}

impl<F, T, O> IntoHandler<ByRefAndEvent<T, O>> for F
where
    F: Fn(&T, &Event<'_>) -> O + Send + Sync + 'static,
    T: Any + Send + Sync,
    O: Outcome + 'static,
{
    type Call = Form<F, ByRefAndEvent<T, O>>;

    fn into_call(self) -> Self::Call {
        Form(self, PhantomData)
    }

    fn payload_type() -> Option<fn() -> PayloadType> {
        Some(PayloadType::of::<T>)
    }
}

impl<F, T, O> Call for Form<F, ByRefAndEvent<T, O>>
where
    F: Fn(&T, &Event<'_>) -> O + Send + Sync + 'static,
    T: Any + Send + Sync,
    O: Outcome + 'static,
{
    #[inline]
    fn call(&self, event: &Event<'_>) -> Called {
        match event.payload() {
            Some(payload) => stopped_or((self.0)(payload, event).note(event), event),
            None => Called::OtherType,
        }
    }

    fn accepts(&self, payload: TypeId) -> bool {
        payload == TypeId::of::<T>()
    }
}

impl<F, T, O> IntoHandler<ByArc<T, O>> for F
where
    F: Fn(Arc<T>) -> O + Send + Sync + 'static,
    T: Any + Send + Sync,
    O: Outcome + 'static,
{
    type Call = Form<F, ByArc<T, O>>;

    fn into_call(self) -> Self::Call {
        Form(self, PhantomData)
    }

    fn payload_type() -> Option<fn() -> PayloadType> {
        Some(PayloadType::of::<T>)
    }
}

impl<F, T, O> Call for Form<F, ByArc<T, O>>
where
    F: Fn(Arc<T>) -> O + Send + Sync + 'static,
    T: Any + Send + Sync,
    O: Outcome + 'static,
{
    const RETAINS: bool = true;

    fn call(&self, event: &Event<'_>) -> Called {
        if !event.erased().is::<T>() {
            return Called::OtherType;
        }
        // The payload stands on the stack only if this handler was connected after the emit began.
        event.share().map_or(Called::Skipped, |payload| (self.0)(payload).note(event))
    }

    fn accepts(&self, payload: TypeId) -> bool {
        payload == TypeId::of::<T>()
    }
}

impl<R, F, O> IntoMethod<R, ByEvent<O>> for F
where
    F: Fn(&R, &Event<'_>) -> O + Send + Sync + 'static,
    O: Outcome,
{
    #[inline]
    fn call_on(&self, receiver: &R, event: &Event<'_>) -> Called {
        stopped_or(self(receiver, event).note(event), event)
    }

    fn payload_type() -> Option<fn() -> PayloadType> {
        None
    }
}

impl<R, F, T, O> IntoMethod<R, ByRef<T, O>> for F
where
    F: Fn(&R, &T) -> O + Send + Sync + 'static,
    T: Any + Send + Sync,
    O: Outcome,
{
    const QUIET: bool = O::QUIET;

    #[inline]
    fn call_on(&self, receiver: &R, event: &Event<'_>) -> Called {
        event.payload().map_or(Called::OtherType, |payload| self(receiver, payload).note(event))
    }

    #[inline]
    fn call_quiet_on(&self, receiver: &R, payload: &Erased) -> Called {
        let Some(payload) = payload.downcast_ref() else { return Called::OtherType };
        let _ = self(receiver, payload);
        Called::Done
    }

    fn payload_type() -> Option<fn() -> PayloadType> {
        Some(PayloadType::of::<T>)
    }
}

impl<R, F, T, O> IntoMethod<R, ByRefAndEvent<T, O>> for F
where
    F: Fn(&R, &T, &Event<'_>) -> O + Send + Sync + 'static,
    T: Any + Send + Sync,
    O: Outcome,
{
    #[inline]
    fn call_on(&self, receiver: &R, event: &Event<'_>) -> Called {
        let call = |payload| stopped_or(self(receiver, payload, event).note(event), event);
        event.payload().map_or(Called::OtherType, call)
    }

    fn payload_type() -> Option<fn() -> PayloadType> {
        Some(PayloadType::of::<T>)
    }
}

impl<R, F, T, O> IntoMethod<R, ByArc<T, O>> for F
where
    F: Fn(&R, Arc<T>) -> O + Send + Sync + 'static,
    T: Any + Send + Sync,
    O: Outcome,
{
    const RETAINS: bool = true;

    fn call_on(&self, receiver: &R, event: &Event<'_>) -> Called {
        if !event.erased().is::<T>() {
            return Called::OtherType;
        }
        event.share().map_or(Called::Skipped, |payload| self(receiver, payload).note(event))
    }

    fn payload_type() -> Option<fn() -> PayloadType> {
        Some(PayloadType::of::<T>)
    }
}

/// A method and a receiver that is shared: no counter is touched by a call.
pub(crate) struct Bound<R, F, M> {
    pub(crate) receiver: Arc<R>,
    pub(crate) method: F,
    pub(crate) form: PhantomData<fn(M)>,
}

impl<R, F, M> Call for Bound<R, F, M>
where
    R: Send + Sync + 'static,
    F: IntoMethod<R, M>,
    M: 'static,
{
    const RETAINS: bool = F::RETAINS;
    const QUIET: bool = F::QUIET;

    #[inline]
    fn call_quiet(&self, payload: &Erased) -> Called {
        self.method.call_quiet_on(&self.receiver, payload)
    }

    #[inline]
    fn call(&self, event: &Event<'_>) -> Called {
        self.method.call_on(&self.receiver, event)
    }

    fn accepts(&self, payload: TypeId) -> bool {
        F::payload_type().is_none_or(|of| of().id == payload)
    }

    fn explain(&self, notes: &mut Vec<String>) {
        notes.push(format!("receiver `{}`", std::any::type_name::<R>()));
    }
}

/// A method and a receiver that is not kept alive: each call takes a strong reference and gives it back.
pub(crate) struct WeaklyBound<R, F, M> {
    pub(crate) receiver: Weak<R>,
    pub(crate) method: F,
    pub(crate) form: PhantomData<fn(M)>,
}

impl<R, F, M> Call for WeaklyBound<R, F, M>
where
    R: Send + Sync + 'static,
    F: IntoMethod<R, M>,
    M: 'static,
{
    const RETAINS: bool = F::RETAINS;

    fn call(&self, event: &Event<'_>) -> Called {
        self.receiver.upgrade().map_or(Called::Dead, |receiver| self.method.call_on(&receiver, event))
    }

    fn accepts(&self, payload: TypeId) -> bool {
        F::payload_type().is_none_or(|of| of().id == payload)
    }

    fn ends_itself(&self) -> bool {
        true
    }

    fn is_expired(&self) -> bool {
        self.receiver.strong_count() == 0
    }

    fn explain(&self, notes: &mut Vec<String>) {
        notes.push(format!("weak receiver `{}`", std::any::type_name::<R>()));
    }
}

#[inline]
pub(crate) fn stopped_or(called: Called, event: &Event<'_>) -> Called {
    if called == Called::Done && event.emission().level_is_stopped() { Called::Stop } else { called }
}
