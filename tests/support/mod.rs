//! What the tests share: a list of what was seen, silence for expected panics, and threads with small stacks.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod hold;
pub(crate) mod oracle;

use std::cell::Cell;
use std::fmt::Display;
use std::sync::{Arc, Once};

use parking_lot::Mutex;
use sigtree::{Event, Next};

/// A list of what was seen, in order; clones write into the same list.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Writes one line.
    pub(crate) fn note(&self, line: impl Display) {
        self.0.lock().push(line.to_string());
    }

    /// What was written since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }

    /// A handler that writes what `line` says of the payload.
    pub(crate) fn lines<T, L: Display>(
        &self,
        line: impl Fn(&T) -> L + Send + Sync + 'static,
    ) -> impl Fn(&T) + Send + Sync + 'static {
        let list = self.clone();
        move |payload: &T| list.note(line(payload))
    }

    /// A handler that writes its label.
    pub(crate) fn label(&self, label: impl Display) -> impl Fn(&Event<'_>) + Clone + Send + Sync + 'static {
        let (list, label) = (self.clone(), label.to_string());
        move |_: &Event<'_>| list.note(&label)
    }

    /// A handler that writes the topic and the payload.
    pub(crate) fn events(&self) -> impl Fn(&Event<'_>) + Clone + Send + Sync + 'static {
        let list = self.clone();
        move |event: &Event<'_>| list.note(render(event))
    }

    /// A handler of numbers that writes them; reports of the bus are none.
    pub(crate) fn numbers(&self) -> impl Fn(&u32, &Event<'_>) + Clone + Send + Sync + 'static {
        let list = self.clone();
        move |_: &u32, event: &Event<'_>| list.note(render(event))
    }

    /// A handler that writes its label, the topic and the payload.
    pub(crate) fn labelled(&self, label: impl Display) -> impl Fn(&Event<'_>) + Clone + Send + Sync + 'static {
        let (list, label) = (self.clone(), label.to_string());
        move |event: &Event<'_>| list.note(format_args!("{label}: {}", render(event)))
    }

    /// A layer that writes its label and goes on.
    pub(crate) fn layer(&self, label: impl Display) -> impl Fn(&Event<'_>, Next<'_>) + Clone + Send + Sync + 'static {
        let (list, label) = (self.clone(), label.to_string());
        move |event: &Event<'_>, next: Next<'_>| {
            list.note(&label);
            next.run(event);
        }
    }
}

/// Topic and payload, with a `*` if it is a replay.
pub(crate) fn render(event: &Event<'_>) -> String {
    let payload = match (event.payload::<u32>(), event.payload::<String>(), event.payload::<&str>()) {
        (Some(number), ..) => number.to_string(),
        (_, Some(text), _) => text.clone(),
        (.., Some(text)) => (*text).to_owned(),
        _ => String::from("?"),
    };
    let mark = if event.is_replayed() { "*" } else { "" };
    format!("{} {payload}{mark}", event.topic())
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs code whose panics are expected: this thread prints none of them.
pub(crate) fn quietly<R>(run: impl FnOnce() -> R) -> R {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                loud(panic);
            }
        }));
    });
    struct Loud(bool);
    impl Drop for Loud {
        fn drop(&mut self) {
            QUIET.set(self.0);
        }
    }
    let _loud = Loud(QUIET.replace(true));
    run()
}

/// Runs code on a thread with a stack of this size, and passes its panic on.
pub(crate) fn on_stack_of<R: Send + 'static>(bytes: usize, run: impl FnOnce() -> R + Send + 'static) -> R {
    let thread = std::thread::Builder::new().stack_size(bytes).spawn(run).expect("a thread");
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Panics. A closure that only panics returns `!`, which no handler does; this returns `()`.
pub(crate) fn boom(payload: impl std::any::Any + Send) {
    std::panic::panic_any(payload)
}
