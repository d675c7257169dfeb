//! [`Desk`]: where the answers to one request come in, and who is told of what.
//!
//! Responders take a [`Seat`] before they are called, and leave it when it is dropped; the request's envelope holds the
//! [`Door`] open as long as more of them may come. So whoever waits knows at once when nobody can answer any more.

use std::any::Any;
use std::sync::Arc;

use sigtree_middleware::Alarm;
use smallvec::SmallVec;

use crate::payload::PayloadType;
use crate::queue::{Nap, Waiters};
use crate::subscription::Label;
use crate::sync::{Mutex, MutexGuard};

/// Where the answers to one request come in.
pub(crate) struct Desk {
    wants: PayloadType,
    wanted: Wanted,
    state: Mutex<State>,
}

/// How many answers are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    First,
    All,
}

struct State {
    asked: Asked,
    /// Whether more responders may come.
    door_open: bool,
    /// Nobody waits: the time is up, or the request was given up, or its answers were taken. Nothing changes any more.
    over: bool,
    timed_out: bool,
    sleepers: Option<Arc<Waiters>>,
}

/// The responders of a request, in the order in which they were asked.
type Asked = SmallVec<[Seated; 1]>;

/// How a request ended.
pub(super) struct Conclusion {
    pub(super) asked: Asked,
    /// Whether the time was up before everybody had said something.
    pub(super) timed_out: bool,
}

/// One responder, and what it said.
pub(super) struct Seated {
    pub(super) by: Arc<Label>,
    /// Whether it may still answer.
    pub(super) open: bool,
    pub(super) said: Said,
}

pub(super) enum Said {
    Nothing,
    Answer(Box<dyn Any + Send>),
    /// It failed, with this message.
    Failure(Arc<str>),
    /// It answered with a value of this type, which nobody waits for.
    OtherType(&'static str),
}

impl Desk {
    pub(super) fn new(wants: PayloadType, wanted: Wanted) -> Arc<Self> {
        let state = State { asked: SmallVec::new(), door_open: true, over: false, timed_out: false, sleepers: None };
        Arc::new(Self { wants, wanted, state: Mutex::new(state) })
    }

    /// A seat for a responder, unless the answer is there or nobody waits. One that failed, and is tried again, gets its own.
    pub(super) fn take_seat(self: &Arc<Self>, by: &Arc<Label>) -> Option<Seat> {
        let mut state = self.state.lock();
        if self.is_settled(&state) {
            return None;
        }
        // One that answered is not tried again; one that said something else may be.
        let again = |seated: &Seated| !seated.open && Arc::ptr_eq(&seated.by, by);
        let index = match state.asked.iter().position(again) {
            Some(index) => {
                state.asked[index].open = true;
                index
            }
            None => {
                state.asked.push(Seated { by: by.clone(), open: true, said: Said::Nothing });
                state.asked.len() - 1
            }
        };
        drop(state);
        Some(Seat { desk: self.clone(), index })
    }

    fn is_settled(&self, state: &State) -> bool {
        let is_answer = |seated: &Seated| matches!(seated.said, Said::Answer(_));
        state.over
            || (self.wanted == Wanted::First && state.asked.iter().any(is_answer))
            || (!state.door_open && !state.asked.iter().any(|seated| seated.open))
    }

    /// Wakes who waits, if there is nothing more to wait for.
    fn wake_if_settled(&self, state: MutexGuard<'_, State>) {
        let sleepers = if self.is_settled(&state) { state.sleepers.clone() } else { None };
        drop(state);
        if let Some(sleepers) = sleepers {
            sleepers.wake_all();
        }
    }

    /// Whether anybody waits for what a responder has to say.
    pub(super) fn is_open(&self) -> bool {
        !self.is_settled(&self.state.lock())
    }

    /// Nobody else will be asked.
    pub(super) fn close_door(&self) {
        let mut state = self.state.lock();
        state.door_open = false;
        self.wake_if_settled(state);
    }

    /// What the responders said, once there is nothing more to wait for.
    pub(super) fn conclude(&self) -> Option<Conclusion> {
        self.conclude_in(&mut self.state.lock())
    }

    /// The same for whoever sent the request, and will wait: nobody else will be asked, and nobody sleeps yet.
    pub(super) fn close_and_conclude(&self) -> Option<Conclusion> {
        let mut state = self.state.lock();
        state.door_open = false;
        self.conclude_in(&mut state)
    }

    fn conclude_in(&self, state: &mut State) -> Option<Conclusion> {
        if !self.is_settled(state) {
            return None;
        }
        state.over = true;
        Some(Conclusion { asked: std::mem::take(&mut state.asked), timed_out: state.timed_out })
    }

    /// The same; else that somebody is about to sleep until there is.
    pub(super) fn conclude_or_nap(&self) -> Result<Conclusion, Nap> {
        let mut state = self.state.lock();
        // Who settles it takes this lock: it did before this, or sees who sleeps.
        self.conclude_in(&mut state).ok_or_else(|| state.sleepers.get_or_insert_with(Arc::default).nap())
    }

    /// Nobody waits any more.
    pub(super) fn give_up(&self) {
        let mut state = self.state.lock();
        state.over = true;
        // Answers may have any destructor.
        let asked = std::mem::take(&mut state.asked);
        drop(state);
        drop(asked);
    }
}

/// The time is up.
impl Alarm for Desk {
    fn ring(&self) {
        let mut state = self.state.lock();
        state.timed_out = !self.is_settled(&state);
        state.over = true;
        self.wake_if_settled(state);
    }
}

/// One responder's place at the desk. Dropped, it answers no more.
pub(super) struct Seat {
    desk: Arc<Desk>,
    index: usize,
}

impl Seat {
    /// Hands in an answer; `false` if nobody takes it.
    pub(super) fn answer<A: Any + Send>(&self, answer: A) -> bool {
        let given = PayloadType::of::<A>();
        if given.id != self.desk.wants.id {
            self.say(Said::OtherType(given.name));
            return false;
        }
        self.say(Said::Answer(Box::new(answer)))
    }

    /// Says that it failed; it may still answer, if it is tried again.
    pub(super) fn fail(&self, message: &str) {
        self.say(Said::Failure(message.into()));
    }

    fn say(&self, said: Said) -> bool {
        let mut state = self.desk.state.lock();
        if self.desk.is_settled(&state) {
            drop(state);
            drop(said);
            return false;
        }
        let Some(seated) = state.asked.get_mut(self.index) else { return false };
        if matches!(seated.said, Said::Answer(_)) {
            drop(state);
            drop(said);
            return false;
        }
        seated.said = said;
        self.desk.wake_if_settled(state);
        true
    }

    /// Whether anybody waits for the answer.
    pub(super) fn is_wanted(&self) -> bool {
        self.desk.is_open()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.desk.state.lock();
        if state.over {
            return;
        }
        if let Some(seated) = state.asked.get_mut(self.index) {
            seated.open = false;
        }
        self.desk.wake_if_settled(state);
    }
}

/// What a request's envelope holds: by it responders find the desk.
pub(super) struct Door(pub(super) Arc<Desk>);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.close_door();
    }
}
