//! What a [`Recorder`] can be asked to have seen.

use std::collections::HashMap;

use sigtree_middleware::{IntoPattern, Pattern};

use super::emitted::Emitted;
use super::recorder::{Recorder, pattern_of};
use super::view::View;

impl Recorder {
    /// An event of this pattern was seen; [`Emitted`] has more to ask about it.
    ///
    /// # Panics
    ///
    /// If there was none, or `pattern` is not a pattern.
    #[track_caller]
    pub fn emitted(&self, pattern: impl IntoPattern) -> Emitted {
        let emitted = Emitted::of(self.view(), &pattern_of(pattern));
        if emitted.events().is_empty() {
            emitted.fail_missing(&format!("{emitted} never came"));
        }
        emitted
    }

    /// No event of this pattern was seen.
    ///
    /// # Panics
    ///
    /// If there was one, or `pattern` is not a pattern.
    #[track_caller]
    pub fn not_emitted(&self, pattern: impl IntoPattern) {
        let view = self.view();
        view.must_be_complete();
        let emitted = Emitted::of(view, &pattern_of(pattern));
        if !emitted.events().is_empty() {
            emitted.fail(&format!("{emitted} came {}, not never", emitted.count()));
        }
    }

    /// Events of these patterns were seen in this order; others may stand between them.
    ///
    /// ```
    /// # use sigtree::testing::TestBus;
    /// # let bus = TestBus::new();
    /// let seen = bus.record("**");
    /// for topic in ["take.off", "climb", "cruise", "land"] {
    ///     bus.emit(topic, ());
    /// }
    /// seen.in_order(["take.*", "cruise", "land"]);
    /// ```
    ///
    /// # Panics
    ///
    /// If not, or if one of them is not a pattern.
    #[track_caller]
    pub fn in_order<P: IntoPattern>(&self, patterns: impl IntoIterator<Item = P>) {
        let view = self.view();
        let mut topics = view.events.iter().map(|seen| seen.topic().to_string());
        let mut expected = Vec::new();
        let mut missing: Option<Pattern> = None;
        for pattern in patterns {
            let pattern = pattern_of(pattern);
            match missing.is_none().then(|| topics.find(|topic| pattern.matches(topic))).flatten() {
                Some(topic) => expected.push(topic),
                None => {
                    expected.push(pattern.to_string());
                    missing.get_or_insert(pattern);
                }
            }
        }
        let Some(missing) = missing else { return };
        let seen: Vec<_> = view.events.iter().map(|seen| seen.topic().to_string()).collect();
        let message = format!("`{missing}` did not come in this order");
        view.fail_with_diff(&message, &expected, &seen, &[missing]);
    }

    /// These were all the events there were: topic and payload, as [`Seen`](super::Seen) writes them.
    ///
    /// # Panics
    ///
    /// If not.
    #[track_caller]
    pub fn exactly<S: AsRef<str>>(&self, lines: impl IntoIterator<Item = S>) {
        let view = self.view();
        view.must_be_complete();
        let expected: Vec<_> = lines.into_iter().map(|line| String::from(line.as_ref())).collect();
        let seen = view.lines();
        if expected != seen {
            let missing = if has_all(&seen, &expected) { &[] } else { &view.heard[..] };
            view.fail_with_diff("what was seen is not what was expected", &expected, &seen, missing);
        }
    }

    /// Nothing else was seen than events of this pattern.
    ///
    /// # Panics
    ///
    /// If there was something else, or `pattern` is not a pattern.
    #[track_caller]
    pub fn nothing_but(&self, pattern: impl IntoPattern) {
        let pattern = pattern_of(pattern);
        self.must_not_see(|view| (view.others(&pattern), format!("something else than `{pattern}` came")));
    }

    /// Nothing was seen.
    ///
    /// # Panics
    ///
    /// If something was.
    #[track_caller]
    pub fn nothing(&self) {
        self.must_not_see(|view| (view.events.clone(), "something came".into()));
    }

    #[track_caller]
    fn must_not_see(&self, look: impl FnOnce(&View) -> (Vec<super::Seen>, String)) {
        let view = self.view();
        view.must_be_complete();
        let (unwanted, message) = look(&view);
        if !unwanted.is_empty() {
            view.fail(&message, &unwanted, &[]);
        }
    }
}

/// Whether all of the lines came, each as often as it was expected.
fn has_all(seen: &[String], expected: &[String]) -> bool {
    let mut left = HashMap::new();
    seen.iter().for_each(|line| *left.entry(line).or_insert(0_u64) += 1);
    expected.iter().all(|line| match left.get_mut(line) {
        None | Some(0) => false,
        Some(left) => {
            *left -= 1;
            true
        }
    })
}

impl View {
    fn others(&self, pattern: &Pattern) -> Vec<super::Seen> {
        self.events.iter().filter(|seen| !pattern.matches(seen.topic())).cloned().collect()
    }
}
