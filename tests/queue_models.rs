//! Random emits and takes on a queue do what they do to plain lists, whatever it does when it is full.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sigtree::{Bus, Delivery, Mute, Overflow, Priority, Queue, Subscription};

const TOPICS: [&str; 4] = ["t.0", "t.1", "t.2", "t.3"];

/// In the order in which they are taken from.
const LANES: [Priority; 4] = [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];

const POLICIES: [Overflow; 5] = [
    Overflow::DropNewest,
    Overflow::DropOldest,
    Overflow::Latest,
    // Nobody takes while this thread waits: it need not wait long to see that.
    Overflow::Block(Duration::ZERO),
    Overflow::Error,
];

#[derive(Debug, Clone, Copy)]
enum Op {
    Emit {
        topic: usize,
        lane: usize,
        how: How,
    },
    TryRecv {
        clone: usize,
    },
    RecvTimeout {
        clone: usize,
    },
    Drain {
        clone: usize,
    },
    Clone,
    DropClone,
    Mute,
    Unmute,
    /// Another queue of the topic comes, or goes.
    Other,
    /// Looks at the counts, which is a look how many wait.
    Look,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Plain,
    Try,
    Timeout,
}

/// Which queues an emit goes to: those of one topic are given their events in other ways.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// One of a wildcard.
    Wild,
    /// One of a topic.
    Alone,
    /// One of a topic, now and then beside another one.
    Among,
}

const WAYS: [Way; 3] = [Way::Wild, Way::Alone, Way::Among];

/// Mostly emits without a priority, so that queues with one lane and with several are both tried.
fn op(lanes: &'static [usize]) -> impl Strategy<Value = Op> {
    let emit =
        (0..TOPICS.len(), select(lanes), select(&[How::Plain, How::Plain, How::Plain, How::Try, How::Timeout][..]));
    prop_oneof![
        24 => emit.prop_map(|(topic, lane, how)| Op::Emit { topic, lane, how }),
        12 => any::<usize>().prop_map(|clone| Op::TryRecv { clone }),
        2 => any::<usize>().prop_map(|clone| Op::RecvTimeout { clone }),
        1 => any::<usize>().prop_map(|clone| Op::Drain { clone }),
        1 => Just(Op::Clone),
        1 => Just(Op::DropClone),
        1 => Just(Op::Mute),
        1 => Just(Op::Unmute),
        1 => Just(Op::Other),
        1 => Just(Op::Look),
    ]
}

/// What one operation showed.
#[derive(Debug, PartialEq)]
enum Seen {
    /// Called, skipped, failed and muted.
    Delivered(usize, usize, usize, usize),
    /// Whether it would have waited for itself.
    Full(bool),
    Taken(Vec<(usize, u32)>),
    Counts(Counts),
    Nothing,
}

/// Sent, depth, high-water mark, received, and dropped by reason.
type Counts = [u64; 9];

// The queue

struct Real {
    bus: Bus,
    way: Way,
    handles: Vec<Subscription<u32>>,
    mutes: Vec<Mute>,
    /// Takes all that comes, and is taken from by nobody.
    other: Option<Subscription<u32>>,
}

impl Real {
    fn new(way: Way, queue: Queue) -> Self {
        let bus = Bus::new();
        let pattern = if matches!(way, Way::Wild) { "t.*" } else { TOPICS[0] };
        let first = bus.on(pattern).queue(queue).subscribe().unwrap();
        Self { bus, way, handles: vec![first], mutes: Vec::new(), other: None }
    }

    fn handle(&self, clone: usize) -> &Subscription<u32> {
        &self.handles[clone % self.handles.len()]
    }

    fn act(&mut self, op: Op, n: u32) -> Seen {
        let one = |event: sigtree::Received<u32>| (topic_of(&event), *event);
        match op {
            Op::Emit { topic, lane, how } => self.emit(TOPICS[topic], LANES[lane], how, n),
            Op::TryRecv { clone } => Seen::Taken(self.handle(clone).try_recv().ok().map(one).into_iter().collect()),
            Op::RecvTimeout { clone } => {
                Seen::Taken(self.handle(clone).recv_timeout(Duration::ZERO).ok().map(one).into_iter().collect())
            }
            Op::Drain { clone } => Seen::Taken(self.handle(clone).drain().map(one).collect()),
            Op::Clone => {
                self.handles.push(self.handles[0].clone());
                Seen::Nothing
            }
            Op::DropClone => {
                self.handles.truncate((self.handles.len() - 1).max(1));
                Seen::Nothing
            }
            Op::Mute => {
                self.mutes.push(self.handles[0].mute());
                Seen::Nothing
            }
            Op::Unmute => {
                self.mutes.pop();
                Seen::Nothing
            }
            Op::Other => {
                self.other = match (self.way, self.other.take()) {
                    (Way::Among, None) => Some(self.bus.subscribe(TOPICS[0]).unwrap()),
                    _ => None,
                };
                Seen::Nothing
            }
            Op::Look => Seen::Counts(self.counts()),
        }
    }

    fn emit(&self, topic: &str, priority: Priority, how: How, n: u32) -> Seen {
        let others = usize::from(self.other.is_some());
        let delivered = |d: &Delivery| Seen::Delivered(d.called() - others, d.skipped(), d.failed(), d.muted());
        let event = || self.bus.event(topic).priority(priority);
        let asked = match (how, priority) {
            (How::Plain, Priority::Normal) => return delivered(&self.bus.emit(topic, n)),
            (How::Plain, _) => return delivered(&event().emit(n)),
            (How::Try, Priority::Normal) => self.bus.try_emit(topic, n),
            (How::Try, _) => event().try_emit(n),
            (How::Timeout, _) => event().emit_timeout(n, Duration::ZERO),
        };
        match asked {
            Ok(delivery) => delivered(&delivery),
            Err(error) => Seen::Full(error.full_queue().expect("it is full").would_deadlock()),
        }
    }

    fn counts(&self) -> Counts {
        let stats = self.handles[0].stats();
        assert_eq!(stats.depth, self.handles[0].len());
        [
            stats.sent(),
            stats.depth as u64,
            stats.high_water as u64,
            stats.received,
            stats.dropped_newest,
            stats.dropped_oldest,
            stats.replaced,
            stats.timed_out,
            stats.would_deadlock,
        ]
    }
}

fn topic_of(event: &sigtree::Received<u32>) -> usize {
    TOPICS.iter().position(|topic| *topic == event.topic().as_str()).unwrap()
}

// The lists

#[derive(Default)]
struct Model {
    capacity: usize,
    overflow: Overflow,
    lanes: [VecDeque<(usize, u32)>; 4],
    /// Whether an event of a priority came, and how often somebody looked for one since then.
    looks: Option<u64>,
    handles: usize,
    mutes: usize,
    /// Whether this thread ever took, which is then the only one.
    takes: bool,
    sent: u64,
    high_water: u64,
    received: u64,
    dropped_newest: u64,
    dropped_oldest: u64,
    replaced: u64,
    timed_out: u64,
    would_deadlock: u64,
}

enum Full {
    Newest,
    TimedOut,
    WouldDeadlock,
}

impl Model {
    fn new(capacity: usize, overflow: Overflow) -> Self {
        Self { capacity, overflow, handles: 1, ..Self::default() }
    }

    fn depth(&self) -> u64 {
        self.lanes.iter().map(VecDeque::len).sum::<usize>() as u64
    }

    fn act(&mut self, op: Op, n: u32) -> Seen {
        match op {
            Op::Emit { .. } if self.mutes > 0 => return Seen::Delivered(0, 0, 0, 1),
            Op::Emit { topic, lane, how } => return self.emit(topic, lane, how, n),
            Op::TryRecv { .. } => return Seen::Taken(self.take(1).into_iter().collect()),
            // It looks, once more before it sleeps, and when the time is over.
            Op::RecvTimeout { .. } => return Seen::Taken(self.take(3).into_iter().collect()),
            Op::Drain { .. } => return Seen::Taken(std::iter::from_fn(|| self.take(1)).collect()),
            Op::Clone => self.handles += 1,
            Op::DropClone => self.handles = (self.handles - 1).max(1),
            Op::Mute => self.mutes += 1,
            Op::Unmute => self.mutes = self.mutes.saturating_sub(1),
            Op::Other => {}
            Op::Look => return Seen::Counts(self.counts()),
        }
        Seen::Nothing
    }

    fn emit(&mut self, topic: usize, lane: usize, how: How, n: u32) -> Seen {
        self.sent += 1;
        let full = self.push(topic, lane, how, n);
        self.high_water = self.high_water.max(self.depth());
        let Some(full) = full else { return Seen::Delivered(1, 0, 0, 0) };
        match full {
            Full::Newest => self.dropped_newest += 1,
            Full::TimedOut => self.timed_out += 1,
            Full::WouldDeadlock => self.would_deadlock += 1,
        }
        match (how, self.overflow) {
            // What fails was called.
            (How::Plain, Overflow::Block(_) | Overflow::Error) => Seen::Delivered(1, 0, 1, 0),
            (How::Plain, _) => Seen::Delivered(0, 1, 0, 0),
            _ => Seen::Full(matches!(full, Full::WouldDeadlock)),
        }
    }

    fn push(&mut self, topic: usize, lane: usize, how: How, n: u32) -> Option<Full> {
        if self.overflow == Overflow::Latest {
            let list = &mut self.lanes[0];
            if let Some(older) = list.iter_mut().find(|(of, _)| *of == topic) {
                older.1 = n;
                self.replaced += 1;
                return None;
            }
        } else if LANES[lane] != Priority::Normal {
            self.looks.get_or_insert(0);
        }
        let list = &mut self.lanes[if self.overflow == Overflow::Latest { 0 } else { lane }];
        if list.len() == self.capacity {
            if self.overflow != Overflow::DropOldest {
                return Some(self.full(how));
            }
            list.pop_front();
            self.dropped_oldest += 1;
        }
        list.push_back((topic, n));
        None
    }

    fn full(&self, how: How) -> Full {
        let waits = matches!(how, How::Timeout) || matches!((how, self.overflow), (How::Plain, Overflow::Block(_)));
        match waits {
            false => Full::Newest,
            true if self.handles == 1 && self.takes => Full::WouldDeadlock,
            true => Full::TimedOut,
        }
    }

    /// Takes what is next; it looks so often if there is nothing.
    fn take(&mut self, looks: u64) -> Option<(usize, u32)> {
        self.takes = true;
        let look = self.looks.unwrap_or(0);
        // Of 48 looks one each is for the low, the normal and the high lane first.
        let first = match look % 48 {
            15 => Some(3),
            31 => Some(2),
            47 => Some(1),
            _ => None,
        };
        let first = first.filter(|lane| !self.lanes[*lane].is_empty());
        let lane = first.or_else(|| (0..4).find(|lane| !self.lanes[*lane].is_empty()));
        let taken = lane.and_then(|lane| self.lanes[lane].pop_front());
        self.looks = self.looks.map(|before| before + if taken.is_some() { 1 } else { looks });
        self.received += u64::from(taken.is_some());
        taken
    }

    fn counts(&self) -> Counts {
        [
            self.sent,
            self.depth(),
            self.high_water,
            self.received,
            self.dropped_newest,
            self.dropped_oldest,
            self.replaced,
            self.timed_out,
            self.would_deadlock,
        ]
    }
}

fn agree(way: Way, overflow: Overflow, capacity: usize, ops: &[Op]) {
    let mut real = Real::new(way, Queue::bounded(capacity).overflow(overflow));
    let mut model = Model::new(capacity, overflow);
    for (n, op) in ops.iter().chain([&Op::Look]).enumerate() {
        let op = on_the_way(*op, way);
        let (seen, expected) = (real.act(op, n as u32), model.act(op, n as u32));
        assert_eq!(seen, expected, "{way:?} {overflow:?} {capacity}: {op:?}, the {n}th");
    }
}

/// A queue of one topic is given the events of that.
fn on_the_way(op: Op, way: Way) -> Op {
    match (op, way) {
        (Op::Emit { lane, how, .. }, Way::Alone | Way::Among) => Op::Emit { topic: 0, lane, how },
        _ => op,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(debug_assertions) { 192 } else { 3_072 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_policy_with_one_lane(
        way in select(&WAYS[..]),
        overflow in select(&POLICIES[..]),
        capacity in 1..12_usize,
        ops in vec(op(&[2]), 1..200),
    ) {
        agree(way, overflow, capacity, &ops);
    }

    #[test]
    fn every_policy_with_all_lanes(
        way in select(&WAYS[..]),
        overflow in select(&POLICIES[..]),
        capacity in 1..5_usize,
        ops in vec(op(&[0, 1, 2, 3, 2]), 1..400),
    ) {
        agree(way, overflow, capacity, &ops);
    }

    /// However the others are flooded, the `n`th event of a lane is taken after at most 48 `n` others.
    #[test]
    fn no_lane_starves(lane in 0..4_usize, waiting in 1..5_usize, before in 0..100_u32, floods in vec(0..4_usize, 1..4)) {
        let bus = Bus::new();
        let queue = bus.on("t").queue(Queue::bounded(512)).subscribe::<bool>().unwrap();
        let emit = |lane: usize, ours| drop(bus.event("t").priority(LANES[lane]).emit(ours));
        let flood = || floods.iter().filter(|other| **other != lane).for_each(|other| emit(*other, false));
        // Wherever the turns stand.
        for _ in 0..before {
            emit(0, false);
            queue.try_recv().unwrap();
        }
        (0..8).for_each(|_| flood());
        (0..waiting).for_each(|_| emit(lane, true));
        for n in 1..=waiting {
            let others = std::iter::from_fn(|| {
                flood();
                queue.try_recv().ok().filter(|ours| !**ours)
            });
            assert!(others.count() <= 48, "the {n}th of {:?}", LANES[lane]);
        }
    }
}
