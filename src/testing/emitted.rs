use std::any::{Any, type_name};
use std::fmt::{self, Debug};
use std::time::Duration;

use sigtree_middleware::{IntoPattern, Pattern};

use super::diff::{diff, diff_texts};
use super::recorder::pattern_of;
use super::seen::Seen;
use super::shown::{self, Lines};
use super::view::View;

/// The events an assertion found, for more assertions about them.
///
/// From [`Recorder::emitted`](super::Recorder::emitted). Each assertion panics if it does not hold and hands on the events it was about,
/// so they read as one sentence. They speak of the moment when `emitted` was called.
///
/// # Examples
///
/// ```
/// use sigtree::testing::TestBus;
///
/// let bus = TestBus::new();
/// let seen = bus.record("**");
/// for n in [900_u32, 800, 700] {
///     bus.emit("range", n);
/// }
/// bus.emit("landed", ());
///
/// seen.emitted("range").times(3).with_payloads([900_u32, 800, 700]).before("landed");
/// seen.emitted("range").with(&800_u32).once();
/// ```
#[derive(Clone)]
pub struct Emitted {
    pattern: Pattern,
    what: String,
    events: Vec<Seen>,
    view: View,
}

impl Emitted {
    pub(super) fn of(view: View, pattern: &Pattern) -> Self {
        Self { pattern: pattern.clone(), what: format!("`{pattern}`"), events: view.matching(pattern), view }
    }

    /// The events.
    #[must_use]
    pub fn events(&self) -> &[Seen] {
        &self.events
    }

    // How many

    /// It came once.
    #[track_caller]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// It came so many times.
    #[track_caller]
    pub fn times(self, n: usize) -> Self {
        self.view.must_be_complete();
        let came = self.events.len();
        let message = |this: &Self| format!("{this} came {}, not {}", this.count(), times(n));
        self.must_of_seen(came <= n, message).must(came >= n, message)
    }

    /// It came so many times or more.
    #[track_caller]
    pub fn at_least(self, n: usize) -> Self {
        let came = self.events.len();
        self.must(came >= n, |this| format!("{this} came {}, not at least {}", this.count(), times(n)))
    }

    /// It came so many times or fewer.
    #[track_caller]
    pub fn at_most(self, n: usize) -> Self {
        self.view.must_be_complete();
        let came = self.events.len();
        self.must_of_seen(came <= n, |this| format!("{this} came {}, not at most {}", this.count(), times(n)))
    }

    // With what

    /// It came with this payload; what follows is about those events.
    #[track_caller]
    pub fn with<T: Any + Debug + PartialEq>(self, payload: &T) -> Self {
        self.view.shown.learn::<T>();
        let what = format!("{self} with {}", shown::of(payload, Lines::One));
        let found = self.narrowed(what, |seen| seen.payload() == Some(payload));
        if found.events.is_empty() {
            self.fail_missing(&self.no_such_payload(payload));
        }
        found
    }

    /// It came with these payloads, in this order, and with no others.
    #[track_caller]
    pub fn with_payloads<T: Any + Debug + PartialEq>(self, payloads: impl IntoIterator<Item = T>) -> Self {
        self.view.must_be_complete();
        self.view.shown.learn::<T>();
        let expected: Vec<T> = payloads.into_iter().collect();
        let given = self.events.iter().map(Seen::payload::<T>);
        let holds = given.eq(expected.iter().map(Some));
        self.must(holds, |this| {
            let expected: Vec<_> = expected.iter().map(|payload| shown::of(payload, Lines::One)).collect();
            let seen: Vec<_> = this.events.iter().map(Seen::payload_line).collect();
            match expected == seen {
                true => format!(
                    "{this} came with payloads that are written alike but are not the same `{}`s",
                    type_name::<T>()
                ),
                false => format!("{this} came with other payloads\n{}", diff(&expected, &seen)),
            }
        })
    }

    /// Some of them satisfy a predicate, which is described for the message: `that("is urgent", ...)`. What follows is about those.
    #[track_caller]
    pub fn that(self, description: &str, predicate: impl Fn(&Seen) -> bool) -> Self {
        let found = self.narrowed(format!("{self} that {description}"), predicate);
        if found.events.is_empty() {
            self.fail_missing(&format!("{self} came, but none that {description}"));
        }
        found
    }

    // When

    /// They came at these times on the bus's clock.
    #[track_caller]
    pub fn at(self, offsets: impl IntoIterator<Item = Duration>) -> Self {
        self.view.must_be_complete();
        let lines = |offset| format!("{offset:?}");
        let expected: Vec<_> = offsets.into_iter().map(lines).collect();
        let seen: Vec<_> = self.events.iter().map(|seen| lines(seen.offset())).collect();
        self.must(expected == seen, |this| format!("{this} came at other times\n{}", diff(&expected, &seen)))
    }

    /// All of them came before the first event of another pattern, which did come.
    #[track_caller]
    pub fn before(self, pattern: impl IntoPattern) -> Self {
        let (other, numbers) = self.other(pattern);
        let holds = self.events.iter().all(|seen| seen.number() < numbers[0]);
        self.must_of_seen(holds, |this| format!("{this} did not come before `{other}`"))
    }

    /// All of them came after the last event of another pattern, which did come.
    #[track_caller]
    pub fn after(self, pattern: impl IntoPattern) -> Self {
        let (other, numbers) = self.other(pattern);
        let holds = self.events.iter().all(|seen| seen.number() > numbers[numbers.len() - 1]);
        self.must_of_seen(holds, |this| format!("{this} did not come after `{other}`"))
    }

    /// All of them came after one pattern and before another.
    #[track_caller]
    pub fn between(self, after: impl IntoPattern, before: impl IntoPattern) -> Self {
        self.after(after).before(before)
    }

    // For the messages

    /// Fails with what the message says, unless it holds; then some of them may be missing.
    #[track_caller]
    fn must(self, holds: bool, message: impl FnOnce(&Self) -> String) -> Self {
        if !holds {
            self.fail_missing(&message(&self));
        }
        self
    }

    /// The same of those that were seen, whatever else may have been emitted.
    #[track_caller]
    fn must_of_seen(self, holds: bool, message: impl FnOnce(&Self) -> String) -> Self {
        if !holds {
            self.fail(&message(&self));
        }
        self
    }

    #[track_caller]
    pub(super) fn fail(&self, message: &str) -> ! {
        self.view.fail(message, &self.events, &[])
    }

    #[track_caller]
    pub(super) fn fail_missing(&self, message: &str) -> ! {
        self.view.fail(message, &self.events, std::slice::from_ref(&self.pattern))
    }

    /// How often they came, in words.
    pub(super) fn count(&self) -> String {
        times(self.events.len())
    }

    /// The numbers of the events of another pattern, of which there must be some.
    #[track_caller]
    fn other(&self, pattern: impl IntoPattern) -> (Pattern, Vec<u64>) {
        self.view.must_be_complete();
        let other = pattern_of(pattern);
        let numbers: Vec<_> = self.view.matching(&other).iter().map(Seen::number).collect();
        if numbers.is_empty() {
            let message = format!("{self} came, but `{other}` never did");
            self.view.fail(&message, &self.events, &[other]);
        }
        (other, numbers)
    }

    /// Those of them that are to be kept, under another description.
    fn narrowed(&self, what: String, keep: impl Fn(&Seen) -> bool) -> Self {
        let events = self.events.iter().filter(|seen| keep(seen)).cloned().collect();
        Self { what, events, ..self.clone() }
    }

    fn no_such_payload<T: Any + Debug>(&self, expected: &T) -> String {
        let carried: Vec<&T> = self.events.iter().filter_map(Seen::payload).collect();
        match carried[..] {
            [] => format!("{self} came, but not with a `{}`", type_name::<T>()),
            [other] => {
                let [expected, seen] = [expected, other].map(|payload| shown::of(payload, Lines::Many));
                format!("{self} came with another payload\n{}", diff_texts(&expected, &seen))
            }
            _ => format!("{self} did not come with {}", shown::of(expected, Lines::One)),
        }
    }
}

/// A number of times, in words.
pub(super) fn times(n: usize) -> String {
    match n {
        0 => "never".into(),
        1 => "once".into(),
        2 => "twice".into(),
        n => format!("{n} times"),
    }
}

/// What was asked for: `` `order.*` with 7 ``.
impl fmt::Display for Emitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl fmt::Debug for Emitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitted").field("what", &self.what).field("events", &self.events).finish_non_exhaustive()
    }
}
