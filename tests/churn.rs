//! Nothing leaks and nothing is counted wrong, however connections, signals and buses come and go.

#[path = "support/crowd.rs"]
mod crowd;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use crowd::{CROWD, Dice, Meeting, count, crowd};
use parking_lot::Mutex;
use sigtree::{Bus, Connection, Receiver};

/// Something handlers come to and go from. A handler is called with who connected it.
trait House: Sync {
    type Link: Send;

    fn connect(&self, who: usize, handler: impl Fn(usize) + Send + Sync + 'static) -> Self::Link;
    fn emit(&self, who: usize);
    fn disconnect(&self, link: Self::Link);
    fn handlers(&self) -> usize;
}

/// Handlers come and go on each thread of a crowd; what is wrong when all is quiet, every now and then and in the end.
fn churn(house: &impl House, rounds: u64) -> Result<(), String> {
    const STAY: usize = 3;
    let token = Arc::new(());
    let quiet = Meeting::new(CROWD);
    let wrong = Mutex::new(Ok(()));
    let check = |handlers: usize| {
        let (counted, alive) = (house.handlers(), Arc::strong_count(&token) - 1);
        if counted != handlers || alive > handlers + 2 {
            *wrong.lock() = Err(format!("{handlers} handlers: {counted} are counted, {alive} are alive"));
        }
    };
    crowd(|me| {
        let calls = Arc::new(AtomicU64::new(0));
        let mut links = Vec::new();
        for round in 1..=rounds {
            let (token, calls_seen) = (token.clone(), calls.clone());
            links.push(house.connect(me, move |who| {
                let _token = &token;
                calls_seen.fetch_add((who == me).into(), SeqCst);
            }));
            let before = calls.load(SeqCst);
            house.emit(me);
            if calls.load(SeqCst) - before != links.len() as u64 {
                *wrong.lock() = Err(format!("an emit did not call each of {} handlers once", links.len()));
            }
            if links.len() > STAY {
                house.disconnect(links.swap_remove(0));
            }
            if round % (rounds / 4) == 0 {
                if quiet.attend() {
                    check(CROWD * STAY);
                }
                quiet.attend();
            }
        }
        links.into_iter().for_each(|link| house.disconnect(link));
    });
    check(0);
    let left = Arc::strong_count(&token) - 1;
    if left > 0 {
        *wrong.lock() = Err(format!("{left} handlers are never freed"));
    }
    wrong.into_inner()
}

impl House for Bus {
    type Link = Connection;

    fn connect(&self, who: usize, handler: impl Fn(usize) + Send + Sync + 'static) -> Connection {
        // A wildcard and an exact pattern of one topic in turn.
        let pattern = if self.connections().is_multiple_of(2) { "in.*".into() } else { format!("in.{who}") };
        Bus::connect(self, pattern, move |who: &usize| handler(*who)).unwrap()
    }

    fn emit(&self, who: usize) {
        Bus::emit(self, format!("in.{who}"), who);
    }

    fn disconnect(&self, link: Connection) {
        drop(link);
    }

    fn handlers(&self) -> usize {
        self.connections()
    }
}

#[test]
fn handlers_come_and_go() {
    let bus = Bus::new();
    assert_eq!(churn(&bus, count(20_000)), Ok(()));
    assert_eq!(bus.emit("in.0", 0_usize).called(), 0);
}

/// The mistake: a handler that is disconnected is flagged, and stays in the list.
#[derive(Default)]
struct Hoard(Mutex<Vec<Kept>>);

type Kept = (Arc<AtomicUsize>, Arc<dyn Fn(usize) + Send + Sync>);

impl House for Hoard {
    type Link = Arc<AtomicUsize>;

    fn connect(&self, _: usize, handler: impl Fn(usize) + Send + Sync + 'static) -> Arc<AtomicUsize> {
        let alive = Arc::new(AtomicUsize::new(1));
        self.0.lock().push((alive.clone(), Arc::new(handler)));
        alive
    }

    fn emit(&self, who: usize) {
        let handlers = self.0.lock().clone();
        handlers.iter().filter(|(alive, _)| alive.load(SeqCst) > 0).for_each(|(_, handler)| handler(who));
    }

    fn disconnect(&self, link: Arc<AtomicUsize>) {
        link.store(0, SeqCst);
    }

    fn handlers(&self) -> usize {
        self.0.lock().iter().filter(|(alive, _)| alive.load(SeqCst) > 0).count()
    }
}

#[test]
fn a_hoard_is_found_out() {
    let found = churn(&Hoard::default(), 40).unwrap_err();
    assert!(found.ends_with("are never freed"), "{found}");
}

#[test]
fn buses_come_and_go() {
    let token = Arc::new(());
    let emitted = crowd(|me| {
        let mut called = 0;
        for round in 0..count(20_000) {
            let small = || Bus::builder().cached_topics(16);
            let bus = small().build();
            let child = bus.child_builder("child").settings(small()).build().unwrap();
            let captured = token.clone();
            let connection = bus.connect("**", move |_: &u64| drop(captured.clone())).unwrap();
            called += child.emit("a", round).called();
            // Whatever goes first, the rest goes with it.
            match (round as usize + me) % 3 {
                0 => drop((bus, connection)),
                1 => drop((connection, child)),
                _ => drop(connection.detach()),
            }
        }
        called as u64
    });
    assert_eq!(emitted, [count(20_000); CROWD]);
    assert_eq!(Arc::strong_count(&token), 1, "everything is freed");
}

/// Counts itself when it is made and when it is dropped.
struct Counted(Arc<(AtomicU64, AtomicU64)>);

impl Counted {
    fn new(counts: &Arc<(AtomicU64, AtomicU64)>) -> Self {
        counts.0.fetch_add(1, SeqCst);
        Self(counts.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.1.fetch_add(1, SeqCst);
    }
}

#[test]
fn whatever_goes_first_is_dropped_once() {
    let counts = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let emit = |bus: &Bus| bus.emit_shared("a.b", Arc::new(Counted::new(&counts)));
    for round in 0..count(5_000) {
        let bus = Bus::new();
        let others = bus.clone();
        let mut dice = Dice::new(round as usize);
        let seed = dice.roll(1 << 20);
        let kept = Mutex::new(None);
        let parts: Vec<Mutex<Option<Box<dyn std::any::Any + Send>>>> = {
            let captured = Counted::new(&counts);
            let handler = move |_: &Counted| drop(captured.0.0.load(SeqCst).to_string());
            let connection = bus.connect("a.b", handler).unwrap();
            let mute = bus.mute("a.*").unwrap();
            let receiver = Receiver::new(Counted::new(&counts));
            receiver.connect(&bus, "a.*", |_: &Counted, _: &Counted| {}).unwrap();
            let signal = bus.signal::<Counted>("a.b").unwrap();
            let child = bus.child("a").unwrap();
            let weak = Arc::new(Counted::new(&counts));
            bus.connect_weak("a.**", &weak, |_: &Counted, payload: Arc<Counted>| drop(payload)).unwrap();
            let parts: [Box<dyn std::any::Any + Send>; 7] = [
                Box::new(bus),
                Box::new(connection),
                Box::new(mute),
                Box::new(receiver),
                Box::new(signal),
                Box::new(child),
                Box::new(weak),
            ];
            parts.into_iter().map(|part| Mutex::new(Some(part))).collect()
        };
        crowd(|me| {
            if me == 0 {
                emit(&others);
                *kept.lock() = Some(Counted::new(&counts));
                emit(&others);
            }
            let mut dice = Dice::new(seed + me);
            for _ in 0..parts.len() * 2 {
                drop(parts[dice.roll(parts.len())].lock().take());
            }
        });
    }
    let (made, dropped) = (counts.0.load(SeqCst), counts.1.load(SeqCst));
    assert!(made > 0);
    assert_eq!(made, dropped);
}
