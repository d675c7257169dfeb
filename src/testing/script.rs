use std::any::{Any, type_name};
use std::fmt::Debug;

use sigtree_middleware::{Counted, IntoPattern, Pattern};

use super::recorder::{Recorder, pattern_of};
use super::seen::Seen;
use super::shown::{self, Lines};

/// Reads what a recorder saw, event by event, and compares: what [`expect!`](crate::expect) runs on.
///
/// It begins with the first event after it was made. Use it by hand where a script needs loops or conditions.
///
/// # Examples
///
/// ```
/// use sigtree::testing::{Script, TestBus};
///
/// let bus = TestBus::new();
/// let seen = bus.record("**");
/// let mut script = Script::new(&seen);
/// for n in 0..10_u32 {
///     bus.emit("count", n);
///     script.see_with("count", &n);
/// }
/// script.nothing();
/// ```
#[derive(Debug)]
pub struct Script {
    recorder: Recorder,
    /// The number of the last event before the script.
    start: u64,
    /// The number of the last event that was read.
    read: u64,
    /// What was read, as it was.
    lines: Vec<String>,
}

impl Script {
    /// A script about what the recorder will see from now on.
    #[must_use]
    pub fn new(recorder: &Recorder) -> Self {
        let start = recorder.came();
        Self { recorder: recorder.clone(), start, read: start, lines: Vec::new() }
    }

    /// The next event is of this pattern.
    ///
    /// # Panics
    ///
    /// If it is not, if there is none, or if `pattern` is not a pattern.
    #[track_caller]
    pub fn see(&mut self, pattern: impl IntoPattern) {
        let pattern = pattern_of(pattern);
        match self.next() {
            Some(seen) if pattern.matches(seen.topic()) => self.accept(&seen),
            _ => self.fail(&pattern, pattern.to_string(), ""),
        }
    }

    /// The next event is of this pattern and has this payload.
    ///
    /// # Panics
    ///
    /// As [`see`](Self::see).
    #[track_caller]
    pub fn see_with<T: Any + Debug + PartialEq>(&mut self, pattern: impl IntoPattern, payload: &T) {
        self.recorder.view().shown.learn::<T>();
        let pattern = pattern_of(pattern);
        let next = self.next();
        if let Some(seen) = &next
            && pattern.matches(seen.topic())
            && seen.payload() == Some(payload)
        {
            return self.accept(seen);
        }
        let expected = format!("{pattern} {}", shown::of(payload, Lines::One));
        let is_alike = next.is_some_and(|seen| seen.to_string() == expected);
        let hint = if is_alike { format!(", but not the same `{}`", type_name::<T>()) } else { String::new() };
        self.fail(&pattern, expected, &hint);
    }

    /// Nothing came that was not read yet.
    ///
    /// # Panics
    ///
    /// If something did.
    #[track_caller]
    pub fn nothing(&mut self) {
        if self.next().is_some() {
            let message = format!("after {}: something more came", self.so_far());
            self.recorder.view().fail_with_diff(&message, &self.lines, &self.seen(), &[]);
        }
    }

    #[track_caller]
    fn next(&self) -> Option<Seen> {
        let view = self.recorder.view();
        view.must_be_complete();
        view.events.into_iter().find(|seen| seen.number() > self.read)
    }

    fn accept(&mut self, seen: &Seen) {
        self.read = seen.number();
        self.lines.push(seen.to_string());
    }

    #[track_caller]
    fn fail(&self, pattern: &Pattern, expected: String, hint: &str) -> ! {
        let what = if self.next().is_some() { "another event came" } else { "nothing more came" };
        let message = format!("after {}: expected `{expected}`, {what}{hint}", self.so_far());
        let expected: Vec<_> = self.lines.iter().cloned().chain([expected]).collect();
        self.recorder.view().fail_with_diff(&message, &expected, &self.seen(), std::slice::from_ref(pattern))
    }

    fn so_far(&self) -> Counted<usize> {
        Counted(self.lines.len(), "event")
    }

    fn seen(&self) -> Vec<String> {
        let events = self.recorder.events();
        events.iter().filter(|seen| seen.number() > self.start).map(ToString::to_string).collect()
    }
}

/// Plays a script: emits on a bus, lets time pass, and compares what a recorder sees, event by event.
///
/// | step | does |
/// |---|---|
/// | `emit "topic", payload;` | emits |
/// | `see "pattern";` | the next event is of this pattern |
/// | `see "pattern", payload;` | the next event is of this pattern and has this payload |
/// | `nothing;` | no other event came up to here |
/// | `advance duration;` | lets time pass, on a [`TestBus`](crate::testing::TestBus) |
/// | `run { ... }` | anything else, with or without a `;` behind it |
///
/// At the end of the script nothing else may have come. A step that does not hold panics with the number of events that were as
/// expected, and a diff of the script and what was seen.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::expect;
/// use sigtree::testing::TestBus;
///
/// let bus = TestBus::new();
/// let seen = bus.record("order.**");
/// let weak = bus.downgrade();
/// bus.connect("order.new", move |id: &u32| drop(weak.upgrade().map(|bus| bus.emit("order.accepted", *id))))?.detach();
///
/// expect!(bus, seen => {
///     emit "order.new", 7_u32;
///     see "order.new", 7_u32;
///     see "order.accepted", 7_u32;
///     advance Duration::from_secs(60);
///     nothing;
///     emit "order.paid", ();
///     see "order.*";
/// });
/// # Ok::<(), sigtree::Error>(())
/// ```
#[macro_export]
macro_rules! expect {
    (@step $bus:ident, $script:ident,) => {};
    (@step $bus:ident, $script:ident, emit $topic:expr, $payload:expr; $($rest:tt)*) => {
        drop($bus.emit($topic, $payload));
        $crate::expect!(@step $bus, $script, $($rest)*);
    };
    (@step $bus:ident, $script:ident, see $pattern:expr, $payload:expr; $($rest:tt)*) => {
        $script.see_with($pattern, &$payload);
        $crate::expect!(@step $bus, $script, $($rest)*);
    };
    (@step $bus:ident, $script:ident, see $pattern:expr; $($rest:tt)*) => {
        $script.see($pattern);
        $crate::expect!(@step $bus, $script, $($rest)*);
    };
    (@step $bus:ident, $script:ident, nothing; $($rest:tt)*) => {
        $script.nothing();
        $crate::expect!(@step $bus, $script, $($rest)*);
    };
    (@step $bus:ident, $script:ident, advance $time:expr; $($rest:tt)*) => {
        $bus.advance($time);
        $crate::expect!(@step $bus, $script, $($rest)*);
    };
    (@step $bus:ident, $script:ident, run $run:block; $($rest:tt)*) => {
        $run
        $crate::expect!(@step $bus, $script, $($rest)*);
    };
    (@step $bus:ident, $script:ident, run $run:block $($rest:tt)*) => {
        $run
        $crate::expect!(@step $bus, $script, $($rest)*);
    };
    ($bus:expr, $seen:expr => { $($steps:tt)* }) => {{
        let bus = &$bus;
        let mut script = $crate::testing::Script::new(&$seen);
        $crate::expect!(@step bus, script, $($steps)*);
        script.nothing();
        let _ = bus;
    }};
}
