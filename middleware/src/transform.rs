//! [`Transform`]: goes on with another payload.

use std::any::{Any, type_name};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::middleware::short_name;
use crate::{Event, Middleware, Next};

/// Goes on with a payload made from the one it got, of the same type.
///
/// Reach for it to clean, convert or redact payloads before anyone sees them. Events with a payload of another type
/// pass untouched. The emitter's own value is not changed: the layers before this one, and the emitter, still have the
/// old one. [`Transform::maybe`] may also end the event.
///
/// # Cost
///
/// One call of your closure. The new payload stays on the stack; it goes into an `Arc` only if something further on
/// keeps payloads, a [`History`](crate::History) for instance.
///
/// # Place
///
/// What stands before it sees the old payload, what stands behind it the new one. So what removes a secret belongs
/// before a history:
///
/// ```
/// use sigtree::{Bus, Stack};
/// use sigtree::middleware::{History, Transform};
///
/// #[derive(Clone)]
/// struct Login { user: String, password: String }
///
/// let redact = || Transform::new(|login: &Login| Login { password: "***".into(), ..login.clone() });
/// let (right, wrong) = (History::new(), History::new());
/// let bus = Bus::new();
/// let login = Login { user: "anna".into(), password: "secret".into() };
///
/// bus.set_stack(Stack::new().with(redact()).with(right.clone()));
/// bus.emit("login", login.clone());
/// assert_eq!(right.entries()[0].payload::<Login>().unwrap().password, "***");
///
/// bus.set_stack(Stack::new().with(wrong.clone()).with(redact()));
/// bus.emit("login", login);
/// assert_eq!(wrong.entries()[0].payload::<Login>().unwrap().password, "secret");
/// ```
#[doc(alias = "map")]
pub struct Transform<T, F> {
    change: F,
    reason: Cow<'static, str>,
    payload: PhantomData<fn(&T) -> T>,
}

impl<T, F> Transform<T, F>
where
    T: Any + Send + Sync,
    F: Fn(&T) -> Option<T> + Send + Sync + 'static,
{
    /// Goes on with what `change` makes, or ends the event when it makes nothing.
    ///
    /// ```
    /// use sigtree::Bus;
    /// use sigtree::middleware::Transform;
    ///
    /// let bus = Bus::new();
    /// bus.layer(Transform::maybe(|n: &u8| n.checked_mul(100)).reason("too large"));
    /// let _all = bus.connect("n", |_: &u8| {})?;
    ///
    /// assert_eq!(bus.emit("n", 2_u8).called(), 1);
    /// assert_eq!(bus.emit("n", 3_u8).called(), 0);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    #[must_use]
    pub fn maybe(change: F) -> Self {
        Self { change, reason: Cow::Borrowed("transformed to nothing"), payload: PhantomData }
    }
}

impl<T: Any + Send + Sync> Transform<T, ()> {
    /// Goes on with what `change` makes.
    #[must_use]
    pub fn new(
        change: impl Fn(&T) -> T + Send + Sync + 'static,
    ) -> Transform<T, impl Fn(&T) -> Option<T> + Send + Sync + 'static> {
        Transform::maybe(move |payload: &T| Some(change(payload)))
    }
}

impl<T, F> Transform<T, F> {
    /// Sets the reason that the delivery gives for an event that was transformed to nothing.
    #[must_use]
    pub fn reason(self, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), ..self }
    }
}

impl<T, F> Middleware for Transform<T, F>
where
    T: Any + Send + Sync,
    F: Fn(&T) -> Option<T> + Send + Sync + 'static,
{
    #[inline]
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        match event.payload().map(&self.change) {
            Some(Some(payload)) => next.replace(event, payload),
            Some(None) => next.discard(event, self.reason.clone()),
            None => next.run(event),
        }
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("transform of `{}`", short_name(type_name::<T>())).into()
    }
}

impl<T, F: Clone> Clone for Transform<T, F> {
    fn clone(&self) -> Self {
        Self { change: self.change.clone(), reason: self.reason.clone(), payload: PhantomData }
    }
}

impl<T, F> fmt::Debug for Transform<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transform").field("payload", &type_name::<T>()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Rig;

    #[test]
    fn goes_on_with_the_new_payload() {
        let rig = Rig::new();
        let double = Transform::new(|n: &u32| n * 2);
        rig.emit(&double, "n", 4_u32);
        rig.emit(&double, "name", String::from("anna"));
        assert_eq!(rig.seen(), ["n 8", "name anna"]);
    }

    #[test]
    fn nothing_ends_the_event() {
        let rig = Rig::new();
        let half = Transform::maybe(|n: &u32| n.is_multiple_of(2).then_some(n / 2));
        assert_eq!(rig.emit(&half, "n", 4_u32).reason, None);
        assert_eq!(rig.emit(&half, "n", 5_u32).reason.as_deref(), Some("transformed to nothing"));
        assert_eq!(rig.emit(&half.reason("odd"), "n", 5_u32).reason.as_deref(), Some("odd"));
        assert_eq!(rig.seen(), ["n 2"]);
    }

    #[test]
    fn what_is_kept_behind_it_is_the_new_payload() {
        let rig = Rig::new();
        let history = crate::History::new();
        rig.emit(&(Transform::new(|n: &u32| n + 1), history.clone()), "n", 1_u32);
        assert_eq!(history.entries()[0].payload(), Some(&2_u32));
    }

    #[test]
    fn names_the_type() {
        assert_eq!(Transform::new(|n: &u32| *n).describe(), "transform of `u32`");
    }
}
