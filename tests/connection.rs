//! A connection governs its handler: drop ends it, `detach` keeps it, `mute` silences it, `disconnect_wait` waits for it.

mod support;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::{Bus, Connection, ConnectionSet, Error, Policy};
use support::Recorder;

/// Long enough that nobody waits for it but a broken library.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn dropping_or_disconnecting_ends_it() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let dropped = bus.connect("a", seen.label("dropped")).unwrap();
    let disconnected = bus.connect("a", seen.label("disconnected")).unwrap();
    let _kept = bus.connect("a", seen.label("kept")).unwrap();
    assert!(dropped.is_connected() && disconnected.is_connected());
    drop(dropped);
    disconnected.disconnect();
    assert_eq!(bus.emit("a", 1_u32).called(), 1);
    assert_eq!(seen.take(), ["kept"]);
}

#[test]
fn detached_it_lives_with_the_bus_and_can_be_ended_by_id() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let id = bus.connect("a", seen.label("detached")).unwrap().detach();
    assert_eq!(bus.emit("a", 1_u32).called(), 1);
    assert!(bus.disconnect(id));
    assert!(!bus.disconnect(id));
    assert_eq!(bus.emit("a", 1_u32).called(), 0);
}

#[test]
fn it_knows_when_it_was_ended_by_others() {
    let bus = Bus::new();
    let by_id = bus.connect("a", |_: &u32| {}).unwrap();
    bus.disconnect(by_id.id());
    assert!(!by_id.is_connected());
    let by_once = bus.on("a").once().connect(|_: &u32| {}).unwrap();
    assert!(by_once.is_connected());
    bus.emit("a", 1_u32);
    assert!(!by_once.is_connected());
    let by_bus = bus.connect("a", |_: &u32| {}).unwrap();
    drop(bus);
    assert!(!by_bus.is_connected());
    by_bus.disconnect_wait(LONG).unwrap();
}

#[test]
fn a_stale_id_ends_no_stranger() {
    let bus = Bus::new();
    let old: Vec<_> = (0..10).map(|_| bus.connect("a", |_: &u32| {}).unwrap().detach()).collect();
    for id in &old {
        assert!(bus.disconnect(*id));
    }
    let new: Vec<_> = (0..1_000).map(|_| bus.connect("a", |_: &u32| {}).unwrap()).collect();
    for id in &old {
        assert!(!bus.disconnect(*id));
    }
    assert!(new.iter().all(Connection::is_connected));
    assert_eq!(bus.emit("a", 1_u32).called(), 1_000);
}

#[test]
fn mutes_nest_and_end_with_their_guards() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let signal = bus.signal::<u32>("a").unwrap();
    let connection = bus.connect("a", seen.events()).unwrap();
    let outer = connection.mute();
    let inner = connection.mute();
    assert!(connection.is_muted());
    let delivery = bus.emit("a", 1_u32);
    assert_eq!((delivery.called(), delivery.muted()), (0, 1));
    drop(outer);
    assert_eq!(signal.emit(2).muted(), 1);
    assert!(connection.is_muted());
    drop(inner);
    assert!(!connection.is_muted());
    assert_eq!(bus.emit("a", 3_u32).called(), 1);
    assert_eq!(seen.take(), ["a 3"]);
}

#[test]
fn a_mute_may_outlive_its_connection_and_its_bus() {
    let bus = Bus::new();
    let connection = bus.connect("a", |_: &u32| {}).unwrap();
    let mute = connection.mute();
    drop(connection);
    let _other = bus.connect("a", |_: &u32| {}).unwrap();
    drop(mute);
    assert_eq!(bus.emit("a", 1_u32).called(), 1);
    let mute = bus.connect("a", |_: &u32| {}).unwrap().mute();
    drop(bus);
    drop(mute);
}

#[test]
fn a_set_ends_and_is_muted_together() {
    let bus = Bus::new();
    let mut set: ConnectionSet = ["a", "b"].iter().map(|topic| bus.connect(topic, |_: &u32| {}).unwrap()).collect();
    set.add(bus.connect("**", |_: &u32| {}).unwrap());
    set.extend([bus.connect("a", |_: &u32| {}).unwrap()]);
    assert_eq!((set.len(), set.is_empty(), bus.connections()), (4, false, 4));
    let mutes = set.mute();
    assert_eq!(bus.emit("a", 1_u32).muted(), 3);
    drop(mutes);
    assert_eq!(bus.emit("a", 1_u32).called(), 3);
    set.clear();
    assert!(set.is_empty());
    set.add(bus.connect("a", |_: &u32| {}).unwrap());
    drop(set);
    assert_eq!(bus.connections(), 0);
}

#[test]
fn waiting_frees_what_the_handler_captured() {
    let captured = Arc::new(());
    let inside = captured.clone();
    let bus = Bus::new();
    let connection = bus.connect("a", move |_: &u32| drop(inside.clone())).unwrap();
    bus.emit("a", 1_u32);
    bus.emit("a", 1_u32);
    connection.disconnect_wait(LONG).unwrap();
    assert_eq!(Arc::strong_count(&captured), 1);
}

/// A place for a connection that a handler is to end, and for what came of it.
type Place = Arc<Mutex<(Option<Connection>, Option<Result<(), Error>>)>>;

fn end_inside(place: &Place) {
    let connection = place.lock().0.take();
    if let Some(connection) = connection {
        let ended = connection.disconnect_wait(LONG);
        place.lock().1 = Some(ended);
    }
}

#[test]
fn waiting_inside_the_own_handler_would_deadlock() {
    let bus = Bus::new();
    let place = Place::default();
    let inside = place.clone();
    place.lock().0 = Some(bus.connect("a", move |_: &u32| end_inside(&inside)).unwrap());
    assert_eq!(bus.emit("a", 1_u32).called(), 1);
    let error = place.lock().1.take().unwrap().unwrap_err();
    assert!(error.is_would_deadlock(), "{error}");
    assert_eq!((bus.emit("a", 1_u32).called(), bus.connections()), (0, 0));
}

#[test]
fn waiting_inside_a_sibling_would_deadlock() {
    for (sibling, handler) in [(1, 0), (0, 1)] {
        let seen = Recorder::new();
        let bus = Bus::new();
        let place = Place::default();
        let inside = place.clone();
        let _sibling = bus.on("a").priority(sibling).connect(move |_: &u32| end_inside(&inside)).unwrap();
        place.lock().0 = Some(bus.on("a").priority(handler).connect(seen.label("called")).unwrap());
        bus.emit("a", 1_u32);
        assert!(place.lock().1.take().unwrap().unwrap_err().is_would_deadlock());
        assert_eq!(seen.take().len(), usize::from(handler > sibling));
        assert_eq!(bus.emit("a", 1_u32).called(), 1);
    }
}

#[test]
fn waiting_inside_an_emit_that_does_not_hold_the_handler_is_no_deadlock() {
    let (bus, other) = (Bus::new(), Bus::new());
    let place = Place::default();
    let inside = place.clone();
    let _elsewhere = bus.connect("a", move |_: &u32| end_inside(&inside)).unwrap();
    place.lock().0 = Some(other.connect("a", |_: &u32| {}).unwrap());
    other.emit("a", 1_u32);
    bus.emit("a", 1_u32);
    place.lock().1.take().unwrap().unwrap();
}

#[test]
fn waiting_while_holding_a_pinned_signal_would_deadlock() {
    let signal = sigtree::Signal::<u32>::new();
    let connection = signal.connect(|_| {}).unwrap();
    let mut pinned = signal.pin();
    pinned.emit(1);
    let error = connection.disconnect_wait(LONG).unwrap_err();
    assert!(error.is_would_deadlock(), "{error}");
    assert_eq!(pinned.emit(1).called(), 0);
}

#[test]
fn the_message_says_that_it_is_disconnected_all_the_same() {
    let signal = sigtree::Signal::<u32>::new();
    let connection = signal.connect(|_| {}).unwrap();
    let mut pinned = signal.pin();
    pinned.emit(1);
    let message = connection.disconnect_wait(LONG).unwrap_err().to_string();
    assert!(message.ends_with("the handler is disconnected all the same"), "{message}");
}

/// Ends a connection in some way while its handler runs, and waits for it: what waiting said, first when the handler was kept
/// running and then when it was let go, and whether the handler had returned by then.
fn ended_while_running(
    connect: impl FnOnce(&Bus, Box<dyn Fn(&u32) -> Result<(), String> + Send + Sync>) -> Connection,
    end: impl FnOnce(&Bus, &Connection),
) -> (bool, bool) {
    let bus = Bus::new();
    let (inside, let_go, returned) =
        (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)), Arc::new(AtomicBool::new(false)));
    let (entered, leave, done) = (inside.clone(), let_go.clone(), returned.clone());
    let connection = connect(
        &bus,
        Box::new(move |n: &u32| {
            if *n == 1 {
                entered.wait();
                leave.wait();
                done.store(true, SeqCst);
            }
            Err("for those who end by failing".into())
        }),
    );
    std::thread::scope(|scope| {
        scope.spawn(|| bus.emit("a", 1_u32));
        inside.wait();
        end(&bus, &connection);
        assert!(!connection.is_connected());
        let second = scope.spawn(|| connection.disconnect_wait(LONG).is_ok() && returned.load(SeqCst));
        // Not a proof that it waits, but a broken one is nearly always done by now.
        std::thread::sleep(Duration::from_millis(20));
        let early = second.is_finished();
        let_go.wait();
        (early, second.join().unwrap())
    })
}

#[test]
fn waiting_waits_also_for_a_connection_that_has_ended() {
    let waited = (false, true);
    let by_id = ended_while_running(
        |bus, handler| bus.connect("a", handler).unwrap(),
        |bus, connection| assert!(bus.disconnect(connection.id())),
    );
    assert_eq!(by_id, waited);
    let by_once = ended_while_running(
        |bus, handler| bus.on("a").once().connect(handler).unwrap(),
        |bus, _| drop(bus.emit("a", 2_u32)),
    );
    assert_eq!(by_once, waited);
    let by_failing = ended_while_running(
        |bus, handler| bus.on("a").policy(Policy::detach_after(1)).connect(handler).unwrap(),
        |bus, _| drop(bus.emit("a", 2_u32)),
    );
    assert_eq!(by_failing, waited);
    let by_prune = ended_while_running(
        |bus, handler| bus.on("a").times(1).connect(handler).unwrap(),
        |bus, _| assert_eq!(bus.prune(), 1),
    );
    assert_eq!(by_prune, waited);
}

#[test]
fn a_set_forgets_connections_that_ended() {
    let bus = Bus::new();
    let mut set = ConnectionSet::new();
    set.add(bus.connect("kept", |_: &u32| {}).unwrap());
    for n in 0..1_000_u32 {
        set.add(bus.on("a").once().connect(|_: &u32| {}).unwrap());
        bus.emit("a", n);
    }
    assert!(set.len() <= 16, "{}", set.len());
    assert_eq!(bus.emit("kept", 1_u32).called(), 1);
}
