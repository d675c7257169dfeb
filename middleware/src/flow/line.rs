//! [`Line`]: one thing for each key, which waits for its time and then goes on, after those that came before it.

use std::collections::{HashMap, VecDeque};

use super::{Agenda, Key};

/// One thing for each key. Those of one key go on one after the other, those of several at the same time.
///
/// A thing waits; when it is due it is ready, until a thread takes it on its way; then the key is leaving until the thread
/// says that it is through. What becomes ready meanwhile goes after it.
pub(crate) struct Line<T> {
    /// Those that wait, by the time they are due.
    pub(crate) waiting: Agenda<T>,
    /// The keys that are ready or leaving, each with what goes next. Where there is such a thing, no other one waits.
    leaving: HashMap<Key, Option<T>>,
    /// The keys that are ready, in order.
    ready: VecDeque<Key>,
}

impl<T> Line<T> {
    /// Whether there is a thing of this key, waiting, ready or on its way.
    pub(crate) fn has(&self, key: Key) -> bool {
        self.leaving.contains_key(&key) || self.waiting.has(key)
    }

    /// What goes on next of this key and waits no longer; a newer one takes its place.
    pub(crate) fn due_mut(&mut self, key: Key) -> Option<&mut T> {
        self.leaving.get_mut(&key)?.as_mut()
    }

    /// Takes out what would go on next of this key.
    pub(crate) fn take(&mut self, key: Key) -> Option<T> {
        let ready = self.leaving.get_mut(&key).and_then(Option::take);
        ready.or_else(|| self.waiting.take(key))
    }

    /// Makes a thing ready that waited, after the one that is on its way.
    pub(crate) fn make_ready(&mut self, key: Key, thing: T) {
        if self.leaving.insert(key, Some(thing)).is_none() {
            self.ready.push_back(key);
        }
    }

    /// Makes everything ready.
    pub(crate) fn make_all_ready(&mut self) {
        for (key, thing) in self.waiting.take_all() {
            self.make_ready(key, thing);
        }
    }

    /// Notes that a thing of this key is on its way which never waited; there is none other.
    pub(crate) fn leave(&mut self, key: Key) {
        self.leaving.insert(key, None);
    }

    /// Takes the next thing on its way; [`arrive`](Self::arrive) follows.
    pub(crate) fn next_ready(&mut self) -> Option<(Key, T)> {
        loop {
            let key = self.ready.pop_front()?;
            match self.leaving.get_mut(&key).and_then(Option::take) {
                Some(thing) => return Some((key, thing)),
                // It was taken out.
                None => drop(self.leaving.remove(&key)),
            }
        }
    }

    /// Notes that the thing of this key is through; whether there is another that is ready.
    pub(crate) fn arrive(&mut self, key: Key) -> bool {
        let has_next = self.leaving.get(&key).is_some_and(Option::is_some);
        if has_next {
            self.ready.push_back(key);
        } else {
            self.leaving.remove(&key);
        }
        has_next
    }
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { waiting: Agenda::default(), leaving: HashMap::new(), ready: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn those_of_one_key_go_one_after_the_other() {
        let [a, b] = ["a", "b"].map(Key::of);
        let mut line = Line::default();
        for (key, thing) in [(a, 1), (b, 2)] {
            line.waiting.put(key, Duration::ZERO, thing);
        }
        line.make_all_ready();
        assert_eq!(line.next_ready(), Some((a, 1)));
        line.make_ready(a, 3);
        assert_eq!(line.due_mut(b).map(|two| std::mem::replace(two, 4)), Some(2));
        assert_eq!((line.next_ready(), line.next_ready(), line.has(a)), (Some((b, 4)), None, true));
        assert_eq!((line.arrive(b), line.has(b)), (false, false));
        assert_eq!((line.arrive(a), line.next_ready(), line.arrive(a)), (true, Some((a, 3)), false));
        assert!(!line.has(a));
    }

    #[test]
    fn what_was_taken_out_does_not_go() {
        let [a, b] = ["a", "b"].map(Key::of);
        let mut line = Line::default();
        line.make_ready(a, 1);
        assert_eq!((line.take(a), line.take(a), line.next_ready(), line.has(a)), (Some(1), None, None, false));
        // And what comes in its place does.
        line.make_ready(b, 2);
        line.take(b);
        line.make_ready(b, 3);
        assert_eq!((line.next_ready(), line.next_ready()), (Some((b, 3)), None));
    }
}
