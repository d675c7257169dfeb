//! Nothing a handler needs lives longer than its connection, and the bus keeps no receiver alive.

mod support;

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use sigtree::{Bus, Event, Receiver};
use support::Recorder;

/// A listener that holds a list, so that its life can be counted.
struct Screen(Recorder);

impl Screen {
    fn show(&self, n: &u32) {
        self.0.note(n);
    }

    fn show_event(&self, event: &Event<'_>) {
        self.0.note(event.topic());
    }

    fn show_both(&self, n: &u32, event: &Event<'_>) -> Result<(), String> {
        self.0.note(format_args!("{} {n}", event.topic()));
        Ok(())
    }

    #[allow(clippy::needless_pass_by_value, reason = "a form of handler")]
    fn keep(&self, n: Arc<u32>) {
        self.0.note(format_args!("arc {n}"));
    }
}

#[test]
fn captures_are_freed_by_the_disconnect_whatever_route_knows_the_handler() {
    let bus = Bus::new();
    let captured = Arc::new(());
    let connect = |pattern: &str| {
        let captured = captured.clone();
        bus.connect(pattern, move |_: &u32| drop(captured.clone())).unwrap()
    };
    let signal = bus.signal::<u32>("a.b").unwrap();
    for crowd in [0, 100] {
        let _crowd: Vec<_> =
            (0..crowd).map(|n| bus.connect(["a.b", &format!("x{n}")], |_: &u32| {}).unwrap()).collect();
        for pattern in ["a.b", "a.*", "**", r"/a\.b/", "a.b | c"] {
            let connection = connect(pattern);
            for n in 0..3 {
                bus.emit("a.b", n);
                signal.emit(n);
            }
            assert_eq!(Arc::strong_count(&captured), 2);
            drop(connection);
            assert_eq!(Arc::strong_count(&captured), 1, "`{pattern}` among {crowd}");
        }
    }
}

#[test]
fn captures_of_one_among_many_are_freed() {
    let bus = Bus::new();
    let signal = bus.signal::<u32>("a").unwrap();
    let captured: Vec<_> = (0..1_200).map(|_| Arc::new(())).collect();
    let mut connections: Vec<_> = captured
        .iter()
        .map(|captured| {
            let captured = captured.clone();
            Some(bus.connect("a", move |_: &u32| drop(captured.clone())).unwrap())
        })
        .collect();
    for at in [0, 31, 32, 33, 500, 1_023, 1_024, 1_199] {
        assert_eq!(signal.emit(1).called(), bus.connections());
        connections[at] = None;
        assert_eq!(Arc::strong_count(&captured[at]), 1, "{at}");
    }
    drop(connections);
    assert!(captured.iter().all(|captured| Arc::strong_count(captured) == 1));
}

#[test]
fn captures_of_a_detached_handler_are_freed_with_the_bus() {
    let captured = Arc::new(());
    let bus = Bus::new();
    let inside = captured.clone();
    bus.connect("**", move |_: &u32| drop(inside.clone())).unwrap().detach();
    bus.emit("a", 1_u32);
    bus.emit("a", 1_u32);
    assert_eq!(Arc::strong_count(&captured), 2);
    drop(bus);
    assert_eq!(Arc::strong_count(&captured), 1);
}

#[test]
fn an_old_stack_is_freed_when_it_is_swapped() {
    let captured = Arc::new(());
    let bus = Bus::new();
    let inside = captured.clone();
    bus.layer(move |event: &Event<'_>, next: sigtree::Next<'_>| {
        let _inside = &inside;
        next.run(event);
    });
    let _handler = bus.connect("a", |_: &u32| {}).unwrap();
    drop(bus.set_stack(sigtree::Stack::new()));
    assert_eq!(bus.emit("a", 1_u32).called(), 1);
    assert_eq!(Arc::strong_count(&captured), 1);
}

#[test]
fn methods_of_every_form_are_called_on_a_weak_receiver() {
    let seen = Recorder::new();
    let screen = Arc::new(Screen(seen.clone()));
    let bus = Bus::new();
    bus.connect_weak("a", &screen, Screen::show).unwrap();
    bus.connect_weak("a", &screen, Screen::show_event).unwrap();
    bus.connect_weak("a", &screen, Screen::show_both).unwrap();
    bus.connect_weak("a", &screen, Screen::keep).unwrap();
    bus.connect_weak("a", &screen, |screen: &Screen, n: &u32| screen.0.note(n + 1)).unwrap();
    assert_eq!(bus.emit("a", 7_u32).called(), 5);
    assert_eq!(seen.take(), ["7", "a", "a 7", "arc 7", "8"]);
    assert_eq!(Arc::strong_count(&screen), 1);
}

#[test]
fn a_dead_weak_receiver_is_taken_out_by_the_emit_that_meets_it() {
    let bus = Bus::new();
    let screen = Arc::new(Screen(Recorder::new()));
    let id = bus.connect_weak("a.*", &screen, Screen::show).unwrap();
    assert_eq!(bus.emit("a.b", 1_u32).called(), 1);
    drop(screen);
    let delivery = bus.emit("a.b", 2_u32);
    assert_eq!((delivery.called(), delivery.skipped(), bus.connections()), (0, 1, 0));
    assert_eq!(bus.emit("a.b", 3_u32).skipped(), 0);
    assert!(!bus.disconnect(id));
}

#[test]
fn dead_weak_receivers_are_taken_out_by_prune() {
    let bus = Bus::new();
    let living = Arc::new(Screen(Recorder::new()));
    for n in 0..100 {
        bus.connect_weak(format!("a{n}"), &living, Screen::show).unwrap();
    }
    for n in 0..100 {
        let screen = Arc::new(Screen(Recorder::new()));
        bus.connect_weak(format!("b{n}"), &screen, Screen::show).unwrap();
    }
    bus.prune();
    assert_eq!(bus.connections(), 100);
    assert_eq!(bus.prune(), 0);
    assert_eq!(bus.emit("a99", 1_u32).called(), 1);
    drop(living);
    assert_eq!((bus.prune(), bus.connections()), (100, 0));
}

#[test]
fn a_method_may_drop_the_last_reference_to_its_receiver() {
    struct Mortal(Arc<Mutex<Option<Arc<Mortal>>>>, Recorder);
    impl Mortal {
        fn die(&self, _: &u32) {
            *self.0.lock() = None;
            self.1.note("died");
        }
    }
    let seen = Recorder::new();
    let holder = Arc::new(Mutex::new(None));
    let mortal = Arc::new(Mortal(holder.clone(), seen.clone()));
    let weak = Arc::downgrade(&mortal);
    let bus = Bus::new();
    bus.connect_weak("a", &mortal, Mortal::die).unwrap();
    *holder.lock() = Some(mortal);
    assert_eq!(bus.emit("a", 1_u32).called(), 1);
    assert_eq!(seen.take(), ["died"]);
    assert_eq!(Weak::strong_count(&weak), 0);
    assert_eq!(bus.emit("a", 1_u32).called(), 0);
}

#[test]
fn methods_of_every_form_are_called_on_a_receiver() {
    let seen = Recorder::new();
    let screen = Receiver::new(Screen(seen.clone()));
    let bus = Bus::new();
    screen.connect(&bus, "a", Screen::show).unwrap();
    screen.connect(&bus, "a", Screen::show_event).unwrap();
    screen.connect(&bus, "a", Screen::show_both).unwrap();
    screen.connect(&bus, "a", Screen::keep).unwrap();
    assert_eq!(bus.emit("a", 7_u32).called(), 4);
    assert_eq!(seen.take(), ["7", "a", "a 7", "arc 7"]);
}

#[test]
fn a_receiver_listens_as_long_as_a_clone_lives() {
    let value = Arc::new(());
    let held = value.clone();
    let receiver = Receiver::new(held);
    let (bus, other) = (Bus::new(), Bus::new());
    receiver.connect(&bus, "a.*", |_: &Arc<()>, _: &u32| {}).unwrap();
    receiver.connect(&other, "b", |_: &Arc<()>, _: &u32| {}).unwrap();
    let clone = receiver.clone();
    drop(receiver);
    assert_eq!((bus.emit("a.b", 1_u32).called(), other.emit("b", 1_u32).called()), (1, 1));
    drop(clone);
    assert_eq!((bus.connections(), other.connections()), (0, 0));
    assert_eq!((bus.emit("a.b", 1_u32).called(), other.emit("b", 1_u32).called()), (0, 0));
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_receiver_can_end_its_connections_and_live_on() {
    let seen = Recorder::new();
    let screen = Receiver::new(Screen(seen.clone()));
    let bus = Bus::new();
    let id = screen.connect(&bus, "a", Screen::show).unwrap();
    screen.disconnect_all();
    assert!(!bus.disconnect(id));
    assert_eq!(bus.emit("a", 1_u32).called(), 0);
    screen.connect(&bus, "a", Screen::show).unwrap();
    bus.emit("a", 2_u32);
    assert_eq!(seen.take(), ["2"]);
}

#[test]
fn a_receiver_may_be_dropped_inside_its_own_method() {
    #[derive(Default)]
    struct Mortal(Arc<Mutex<Option<Receiver<Mortal>>>>, Recorder);
    impl Mortal {
        fn die(&self, n: &u32) {
            let last = self.0.lock().take();
            drop(last);
            self.1.note(n);
        }
    }
    let mortal = Mortal::default();
    let (holder, seen) = (mortal.0.clone(), mortal.1.clone());
    let mortal = Receiver::new(mortal);
    let bus = Bus::new();
    mortal.connect(&bus, "a", Mortal::die).unwrap();
    *holder.lock() = Some(mortal);
    bus.emit("a", 1_u32);
    bus.emit("a", 2_u32);
    assert_eq!(seen.take(), ["1"]);
    assert_eq!(bus.connections(), 0);
    assert_eq!(Arc::strong_count(&holder), 1);
}

/// How many receivers come and go. A debug build takes a tenth, for it is more than ten times slower.
const COMERS: usize = if cfg!(debug_assertions) { 200_000 } else { 2_000_000 };

#[test]
fn receivers_that_come_and_go_take_no_memory() {
    for emit_every in [Some(1_000), None] {
        let bus = Bus::new();
        let mut halfway = 0;
        for n in 0..COMERS {
            let screen = Arc::new(Screen(Recorder::new()));
            bus.connect_weak("a.*", &screen, Screen::show).unwrap();
            drop(screen);
            if emit_every.is_some_and(|every| n % every == 0) {
                assert_eq!(bus.emit("a.b", 1_u32).called(), 0);
            }
            assert!(bus.connections() <= 64, "{} after {n}", bus.connections());
            if n == COMERS / 2 {
                halfway = resident_bytes();
            }
        }
        let grown = resident_bytes().saturating_sub(halfway);
        assert!(grown < 2 << 20, "{grown} bytes more, emit every {emit_every:?}");
    }
}

/// The memory this process takes, where the system tells.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm");
    let resident = pages.ok().and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok());
    resident.unwrap_or(0) * 4_096
}

#[test]
fn a_weak_signal_keeps_neither_bus_nor_signal() {
    let bus = Bus::new();
    let signal: sigtree::Signal<u32> = bus.signal("a").unwrap();
    let weak = signal.downgrade();
    let other = weak.clone().upgrade().unwrap();
    drop(signal);
    assert_eq!(weak.upgrade().unwrap().emit(1).called(), 0);
    drop(other);
    assert!(weak.upgrade().is_none());
    // The topic is free again.
    let text: sigtree::Signal<String> = bus.signal("a").unwrap();
    assert!(weak.upgrade().is_none());
    let (weak_text, weak_bus) = (text.downgrade(), bus.downgrade());
    drop(bus);
    assert!(weak_bus.upgrade().is_some(), "a signal keeps its bus");
    drop(text);
    assert!(weak_bus.upgrade().is_none() && weak_text.upgrade().is_none());
}
