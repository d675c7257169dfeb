//! [`EventTree`]: which event led to which, and where two runs part.

mod difference;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;

pub use difference::Difference;

use crate::until_error::until_error;
use crate::{Entry, EventId};

/// Events under the events that led to them, as their [causation](Entry::causation) says.
///
/// Reach for it to show that a replay led to the same events as the first time, whatever their ids and times are:
/// [`compare`](Self::compare) tells the first event that differs.
///
/// Events stand in the order of their entries, the children of one event too. An event whose cause is not among the
/// entries before it is a root: so there are no circles, whatever the entries claim. What several threads emit has no
/// order to compare; compare the topics of one of them.
///
/// If two events have the same id, what came of either stands under the later one, and a difference says so.
///
/// It keeps a line of text for each event, so its size is that of what it is given.
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, Event, History};
/// use sigtree::middleware::{Entry, EventTree};
///
/// /// A shop that charges so much for shipping, and remembers what happened.
/// fn shop(shipping: u32) -> (Bus, History) {
///     let (bus, history) = (Bus::new(), History::builder().replays(true).build());
///     bus.layer(history.clone());
///     let inside = bus.downgrade();
///     let bill = move |price: &u32, order: &Event| {
///         let bus = inside.upgrade().unwrap();
///         bus.event("bill").causation(order.id()).emit(price + shipping);
///     };
///     bus.connect("order", bill).unwrap().detach();
///     (bus, history)
/// }
///
/// let tree = |history: &History| EventTree::of(history.entries(), |entry| format!("{:?}", entry.payload::<u32>().unwrap()));
/// let (bus, first) = shop(5);
/// bus.emit("order", 10_u32);
/// bus.emit("order", 20_u32);
/// assert_eq!(tree(&first).to_string(), "\
/// order 10
///   bill 15
/// order 20
///   bill 25
/// ");
///
/// let (same, second) = shop(5);
/// first.replay().roots().run(&same);
/// assert!(tree(&first).compare(&tree(&second)).is_ok());
///
/// let (dear, third) = shop(9);
/// first.replay().roots().run(&dear);
/// assert_eq!(tree(&first).compare(&tree(&third)).unwrap_err().to_string(), "\
/// event 2 differs:
///   order 10
/// -   bill 15
/// +   bill 19
/// ");
/// ```
#[derive(Clone)]
pub struct EventTree {
    /// Each event before its children.
    lines: Vec<Line>,
    /// The first id that two events have.
    repeated: Option<EventId>,
}

/// Trees are equal if their lines are.
impl PartialEq for EventTree {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for EventTree {}

/// One event, so many steps from its root.
#[derive(Clone, PartialEq, Eq)]
struct Line {
    depth: usize,
    text: String,
}

impl EventTree {
    /// The tree of these entries; `show` says what is to be compared and shown of a payload.
    pub fn of<E: Borrow<Entry>>(entries: impl IntoIterator<Item = E>, mut show: impl FnMut(&Entry) -> String) -> Self {
        Self::grow(entries.into_iter().map(|entry| {
            let entry = entry.borrow();
            let text = format!("{} {}", entry.topic(), show(entry));
            (entry.id(), entry.causation(), text)
        }))
    }

    /// The same for entries that are read as it goes; one at a time is in memory, and its line stays.
    ///
    /// `EventTree::try_of_records` (feature `recording`) has an example.
    ///
    /// # Errors
    ///
    /// Why an entry could not be read: the first that could not.
    pub fn try_of<E>(
        entries: impl IntoIterator<Item = Result<Entry, E>>,
        show: impl FnMut(&Entry) -> String,
    ) -> Result<Self, E> {
        let mut unread = None;
        let tree = Self::of(until_error(entries, &mut unread), show);
        unread.map_or(Ok(tree), Err)
    }

    /// The tree of events with these ids, causes and texts.
    pub(crate) fn grow(events: impl Iterator<Item = (EventId, Option<EventId>, String)>) -> Self {
        let mut nodes: Vec<Node> = Vec::new();
        let mut places = HashMap::new();
        let mut roots = Vec::new();
        let mut repeated = None;
        for (id, cause, text) in events {
            let place = nodes.len();
            match cause.and_then(|cause| places.get(&cause).copied()) {
                Some(parent) => {
                    let parent: &mut Node = &mut nodes[parent];
                    parent.children.push(place);
                }
                None => roots.push(place),
            }
            nodes.push(Node { text, children: Vec::new() });
            if places.insert(id, place).is_some() {
                repeated.get_or_insert(id);
            }
        }
        Self { lines: flatten(nodes, roots), repeated }
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Compares what is expected, this tree, with another.
    ///
    /// # Errors
    ///
    /// If they differ: the first event that does, among the events around it.
    pub fn compare(&self, other: &Self) -> Result<(), Difference> {
        match self == other {
            true => Ok(()),
            false => Err(Difference::between(&self.lines, &other.lines).noting(self.repeated.or(other.repeated))),
        }
    }
}

/// An event and what it led to, while the tree is growing.
struct Node {
    text: String,
    children: Vec<usize>,
}

/// Each event before its children; without recursion, for a chain of events may be long.
fn flatten(mut nodes: Vec<Node>, roots: Vec<usize>) -> Vec<Line> {
    let mut lines = Vec::with_capacity(nodes.len());
    let mut rest: Vec<(usize, usize)> = roots.into_iter().rev().map(|root| (0, root)).collect();
    while let Some((depth, place)) = rest.pop() {
        let Node { text, children } = &mut nodes[place];
        rest.extend(children.iter().rev().map(|child| (depth + 1, *child)));
        lines.push(Line { depth, text: std::mem::take(text) });
    }
    lines
}

/// One line an event, set in under the one that led to it.
impl fmt::Display for EventTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:1$}{2}", "", 2 * self.depth.min(DEEPEST), self.text)
    }
}

/// A line is set in no further than this.
const DEEPEST: usize = 40;

impl fmt::Debug for EventTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events with the number of their cause; 0 is none.
    fn tree(events: &[(u128, u128, &str)]) -> EventTree {
        let id = EventId::from_bits;
        EventTree::grow(
            events.iter().map(|(own, cause, text)| (id(*own), (*cause > 0).then(|| id(*cause)), (*text).into())),
        )
    }

    fn difference(expected: &[(u128, u128, &str)], found: &[(u128, u128, &str)]) -> String {
        tree(expected).compare(&tree(found)).unwrap_err().to_string()
    }

    #[test]
    fn events_stand_under_their_causes_in_their_order() {
        let nested = tree(&[(1, 0, "a"), (2, 1, "b"), (3, 0, "c"), (4, 1, "d"), (5, 2, "e")]);
        assert_eq!(nested.to_string(), "a\n  b\n    e\n  d\nc\n");
        assert_eq!((nested.len(), nested.is_empty()), (5, false));
    }

    #[test]
    fn causes_that_come_later_or_never_make_no_circle() {
        let circle = tree(&[(1, 2, "a"), (2, 1, "b"), (3, 3, "c"), (4, 9, "d")]);
        assert_eq!(circle.to_string(), "a\n  b\nc\nd\n");
    }

    #[test]
    fn the_first_entry_that_cannot_be_read_is_the_error() {
        let entries = [Err("torn"), Err("gone")];
        assert_eq!(EventTree::try_of(entries, |_| String::new()), Err("torn"));
        assert!(EventTree::try_of([] as [Result<Entry, &str>; 0], |_| String::new()).unwrap().is_empty());
    }

    #[test]
    fn a_difference_tells_of_an_id_that_two_events_have() {
        let twice = [(1, 0, "a"), (1, 0, "b"), (2, 1, "c")];
        let text = difference(&[(1, 0, "a"), (2, 1, "c"), (3, 0, "b")], &twice);
        assert!(
            text.ends_with(
                "two events have the id 00000000000000000000000001, so this may be no difference: see `SequentialIds`\n"
            ),
            "{text}"
        );
        assert!(tree(&twice).compare(&tree(&twice)).is_ok());
    }

    #[test]
    fn ids_are_not_compared() {
        let first = tree(&[(1, 0, "a"), (2, 1, "b")]);
        assert!(first.compare(&tree(&[(7, 0, "a"), (5, 7, "b")])).is_ok());
    }

    #[test]
    fn a_difference_shows_what_led_to_it_and_what_came_before() {
        let first = [(1, 0, "a"), (2, 1, "b"), (3, 1, "c"), (4, 1, "d"), (5, 4, "e"), (6, 5, "f"), (7, 5, "g")];
        let mut second = first;
        second[6].2 = "x";
        assert_eq!(
            difference(&first, &second),
            "event 7 differs:\n  a\n    ...\n    d\n      e\n        f\n-       g\n+       x\n"
        );
    }

    #[test]
    fn what_is_missing_is_seen_from_either_side() {
        let (short, long) = ([(1, 0, "a")], [(1, 0, "a"), (2, 1, "b")]);
        assert_eq!(difference(&long, &short), "event 2 differs:\n  a\n-   b\n+ nothing more\n");
        assert_eq!(difference(&short, &long), "event 2 differs:\n  a\n- nothing more\n+   b\n");
    }

    #[test]
    fn another_cause_is_a_difference() {
        let (under_a, beside_a) = ([(1, 0, "a"), (2, 1, "b")], [(1, 0, "a"), (2, 0, "b")]);
        assert_eq!(difference(&under_a, &beside_a), "event 2 differs:\n  a\n-   b\n+ b\n");
    }

    #[test]
    fn a_long_chain_is_no_trouble() {
        let chain = |last: &str| {
            EventTree::grow((1..=100_000_u128).map(|n| {
                let text = if n == 100_000 { last } else { "a" };
                (EventId::from_bits(n), Some(EventId::from_bits(n - 1)), text.into())
            }))
        };
        let text = chain("b").compare(&chain("c")).unwrap_err().to_string();
        assert!(text.lines().count() < 20, "{text}");
    }
}
