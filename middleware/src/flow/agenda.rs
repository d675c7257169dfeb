//! [`Agenda`]: what is due when.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::Key;

/// One thing for each key, each due at a time; and the time for which the alarm is set.
pub(crate) struct Agenda<T> {
    keys: HashMap<Key, Place>,
    /// By time; at the same time, in the order they were put.
    due: BTreeMap<Place, (Key, T)>,
    next: u64,
    alarm: Option<Duration>,
    /// How many alarms are still to ring; more than one if one was set for an earlier time.
    alarms: usize,
}

type Place = (Duration, u64);

impl<T> Agenda<T> {
    pub(crate) fn len(&self) -> usize {
        self.due.len()
    }

    /// What is there for a key, and when it is due.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<(Duration, &mut T)> {
        let place = self.keys.get(&key)?;
        self.due.get_mut(place).map(|(_, thing)| (place.0, thing))
    }

    /// Puts something in the place of what was there.
    pub(crate) fn put(&mut self, key: Key, due: Duration, thing: T) -> Option<T> {
        let old = self.take(key);
        let place = (due, self.next);
        self.next += 1;
        self.keys.insert(key, place);
        self.due.insert(place, (key, thing));
        old
    }

    pub(crate) fn take(&mut self, key: Key) -> Option<T> {
        let place = self.keys.remove(&key)?;
        self.due.remove(&place).map(|(_, thing)| thing)
    }

    /// Takes out what is due first.
    pub(crate) fn take_first(&mut self) -> Option<(Key, T)> {
        let (_, (key, thing)) = self.due.pop_first()?;
        self.keys.remove(&key);
        Some((key, thing))
    }

    /// Takes out what is due first, if it is due by now.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<(Key, T)> {
        let (due, _) = self.first()?;
        if due <= now { self.take_first() } else { None }
    }

    /// Takes out everything, in the order it is due.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = (Key, T)> + use<T> {
        self.keys.clear();
        std::mem::take(&mut self.due).into_values()
    }

    /// What is due first, and when.
    pub(crate) fn first(&self) -> Option<(Duration, Key)> {
        self.due.first_key_value().map(|((due, _), (key, _))| (*due, *key))
    }

    pub(crate) fn has(&self, key: Key) -> bool {
        self.keys.contains_key(&key)
    }

    /// When to set the alarm for what is due first, unless it is set early enough already.
    ///
    /// Things whose times were put off ring in vain once; then the alarm is set anew.
    pub(crate) fn alarm(&mut self) -> Option<Duration> {
        let (due, _) = self.first()?;
        if self.alarm.is_some_and(|set| set <= due) {
            return None;
        }
        self.alarm = Some(due);
        self.alarms += 1;
        Some(due)
    }

    /// Notes that an alarm rang.
    ///
    /// One that was overtaken by an earlier one changes nothing, so alarms do not multiply; the last one clears the time
    /// even if a clock rang it too early.
    pub(crate) fn rang(&mut self, now: Duration) {
        self.alarms = self.alarms.saturating_sub(1);
        if self.alarms == 0 || self.alarm.is_some_and(|set| set <= now) {
            self.alarm = None;
        }
    }
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { keys: HashMap::new(), due: BTreeMap::new(), next: 0, alarm: None, alarms: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn agenda(things: &[(char, u64)]) -> Agenda<char> {
        let mut agenda = Agenda::default();
        for (name, due) in things {
            agenda.put(Key::of(name), at(*due), *name);
        }
        agenda
    }

    #[test]
    fn what_is_due_comes_in_order() {
        let mut agenda = agenda(&[('a', 3), ('b', 1), ('c', 1), ('d', 9), ('b', 2)]);
        let due: Vec<char> = std::iter::from_fn(|| agenda.take_due(at(5))).map(|(_, name)| name).collect();
        assert_eq!(due, ['c', 'b', 'a']);
        assert_eq!((agenda.len(), agenda.take(Key::of(&'a')), agenda.take(Key::of(&'d'))), (1, None, Some('d')));
    }

    #[test]
    fn the_alarm_is_set_for_the_first_and_not_twice() {
        let mut agenda = agenda(&[('a', 3)]);
        assert_eq!(agenda.alarm(), Some(at(3)));
        agenda.put(Key::of(&'b'), at(5), 'b');
        assert_eq!(agenda.alarm(), None);
        agenda.put(Key::of(&'c'), at(2), 'c');
        assert_eq!(agenda.alarm(), Some(at(2)));
        agenda.rang(at(2));
        agenda.put(Key::of(&'c'), at(7), 'c');
        assert_eq!(agenda.alarm(), Some(at(3)));
        // The one that was set first.
        agenda.rang(at(2));
        assert_eq!(agenda.alarm(), None);
        agenda.rang(at(2));
        assert_eq!(agenda.alarm(), Some(at(3)), "a clock that is fast");
        assert_eq!(agenda.take_all().map(|(_, name)| name).collect::<String>(), "abc");
        assert_eq!((agenda.len(), agenda.alarm()), (0, None));
    }
}
