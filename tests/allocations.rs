//! An emit allocates nothing, and exactly once if anything keeps the payload, however many do.
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use sigtree::{Bus, Event, History, Next, Source, Stack};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn count_one() {
    // A thread that ends allocates and cannot count.
    ALLOCATIONS.try_with(|count| count.set(count.get() + 1)).unwrap_or_default();
}

// SAFETY: everything is the system allocator's; counting allocates nothing, for the count needs no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_one();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// How often this thread allocates in a hundred emits, after a few to warm up.
fn in_a_hundred(emit: impl Fn()) -> usize {
    (0..3).for_each(|_| emit());
    let before = ALLOCATIONS.get();
    (0..100).for_each(|_| emit());
    ALLOCATIONS.get() - before
}

/// A payload that is larger than a word, so that an `Arc` of it is an allocation.
#[derive(Clone)]
struct Track([u64; 4]);

const TRACK: Track = Track([1, 2, 3, 4]);

/// A bus with handlers of each form that keeps nothing, on an exact topic and on wildcards.
fn bus() -> Bus {
    let bus = Bus::new();
    bus.connect("a.b", |track: &Track| assert_eq!(track.0[0], 1)).unwrap().detach();
    bus.connect("a.*", |track: &Track, event: &Event<'_>| {
        assert_eq!(event.topic().as_str().len() as u64, 2 + track.0[0]);
    })
    .unwrap()
    .detach();
    bus.connect("**", |event: &Event<'_>| assert!(event.payload::<Track>().is_some())).unwrap().detach();
    bus
}

fn pass(event: &Event<'_>, next: Next<'_>) {
    next.run(event);
}

#[test]
fn the_counter_counts() {
    assert_eq!(in_a_hundred(|| drop(Box::new(TRACK))), 100);
    assert_eq!(in_a_hundred(|| drop(Vec::<u64>::new())), 0);
}

#[test]
fn nothing_by_handle() {
    let signal = bus().signal::<Track>("a.b").unwrap();
    assert_eq!(in_a_hundred(|| assert_eq!(signal.emit(TRACK).called(), 3)), 0);
    assert_eq!(in_a_hundred(|| assert_eq!(signal.emit(&TRACK).called(), 3)), 0);
    let pinned = std::cell::RefCell::new(signal.pin());
    assert_eq!(in_a_hundred(|| assert_eq!(pinned.borrow_mut().emit(TRACK).called(), 3)), 0);
    let shared = Arc::new(TRACK);
    assert_eq!(in_a_hundred(|| assert_eq!(signal.emit(shared.clone()).called(), 3)), 0);
}

#[test]
fn nothing_by_name() {
    let bus = bus();
    assert_eq!(in_a_hundred(|| assert_eq!(bus.emit("a.b", TRACK).called(), 3)), 0);
    assert_eq!(in_a_hundred(|| assert_eq!(bus.emit_ref("a.c", &TRACK).called(), 2)), 0);
    assert_eq!(in_a_hundred(|| assert_eq!(bus.emit_with("a.b", || TRACK).called(), 3)), 0);
}

#[test]
fn nothing_where_nobody_listens() {
    let bus = Bus::new();
    let signal = bus.signal::<Track>("a.b").unwrap();
    assert_eq!(in_a_hundred(|| assert_eq!(signal.emit(TRACK).called(), 0)), 0);
    assert_eq!(in_a_hundred(|| assert_eq!(bus.emit("a.b", TRACK).called(), 0)), 0);
}

#[test]
fn nothing_for_a_thousand_handlers() {
    let signal = bus().signal::<Track>("a.b").unwrap();
    let _connections: Vec<_> = (0..1_000).map(|_| signal.connect(|_| {}).unwrap()).collect();
    assert_eq!(in_a_hundred(|| assert_eq!(signal.emit(TRACK).called(), 1_003)), 0);
}

#[test]
fn nothing_through_layers() {
    let bus = bus();
    bus.set_stack(Stack::new().with(pass).with((pass, pass)).with(Some(pass)));
    let signal = bus.signal::<Track>("a.b").unwrap();
    assert_eq!(in_a_hundred(|| assert_eq!(signal.emit(TRACK).called(), 3)), 0);
    bus.set_stack(Stack::new().with(|event: &Event<'_>, next: Next<'_>| next.replace(event, TRACK)));
    assert_eq!(in_a_hundred(|| assert_eq!(signal.emit(TRACK).called(), 3)), 0);
    bus.set_stack(Stack::new().with(|event: &Event<'_>, next: Next<'_>| next.discard(event, "enough")));
    assert_eq!(in_a_hundred(|| assert_eq!(signal.emit(TRACK).filtered(), Some("enough"))), 0);
}

#[test]
fn nothing_up_to_the_parents() {
    let root = Bus::new();
    root.connect("x.a.b", |_: &Track| {}).unwrap().detach();
    let (middle, leaf) = (root.child("x").unwrap(), root.child("x").unwrap().child("a").unwrap());
    middle.connect("a.*", |_: &Track| {}).unwrap().detach();
    leaf.connect("b", |_: &Track| {}).unwrap().detach();
    middle.layer(pass);
    let signal = leaf.signal::<Track>("b").unwrap();
    assert_eq!(in_a_hundred(|| assert_eq!(signal.emit(TRACK).called(), 3)), 0);
    assert_eq!(in_a_hundred(|| assert_eq!(leaf.emit("b", TRACK).called(), 3)), 0);
}

#[test]
fn nothing_with_a_source() {
    let (bus, radar) = (bus(), Source::named("radar"));
    let _from = bus.on("a.b").from(&radar).connect(|_: &Track| {}).unwrap();
    let emit = || assert_eq!(bus.event("a.b").source(&radar).emit(TRACK).called(), 4);
    assert_eq!(in_a_hundred(emit), 0);
}

#[test]
fn nothing_for_those_who_are_not_called() {
    let bus = bus();
    let muted = bus.connect("a.b", |_: &Track| {}).unwrap();
    let _mute = muted.mute();
    let _filtered = bus.on("a.b").filter(|_| false).connect(|_: &Track| {}).unwrap();
    let _other_type = bus.connect("**", |_: &u32| {}).unwrap();
    assert_eq!(in_a_hundred(|| assert_eq!(bus.emit("a.b", TRACK).called(), 3)), 0);
}

#[test]
fn one_for_those_who_keep_it() {
    let bus = bus();
    let first = bus.connect("a.b", |track: Arc<Track>| drop(track)).unwrap();
    assert_eq!(in_a_hundred(|| assert_eq!(bus.emit("a.b", TRACK).called(), 4)), 100);
    let _others: Vec<_> = (0..10).map(|_| bus.connect("a.*", |track: Arc<Track>| drop(track)).unwrap()).collect();
    let _keeps = bus.on("**").keeps().connect(|event: &Event<'_>| assert!(event.share::<Track>().is_some())).unwrap();
    assert_eq!(in_a_hundred(|| assert_eq!(bus.emit("a.b", TRACK).called(), 15)), 100);
    assert_eq!(in_a_hundred(|| assert_eq!(bus.emit_ref("a.b", &TRACK).called(), 15)), 100, "cloned once");
    let shared = Arc::new(TRACK);
    assert_eq!(in_a_hundred(|| assert_eq!(bus.emit_shared("a.b", shared.clone()).called(), 15)), 0, "shared already");
    drop(first);
}

#[test]
fn one_for_histories() {
    let bus = bus();
    let histories = [History::new(), History::new()];
    histories.iter().for_each(|history| bus.layer(history.clone()));
    let signal = bus.signal::<Track>("a.b").unwrap();
    // Full histories: their memory is there.
    (0..2_000).for_each(|_| drop(signal.emit(TRACK)));
    assert_eq!(in_a_hundred(|| assert_eq!(signal.emit(TRACK).called(), 3)), 100);
    let _keeper = bus.connect("a.b", |track: Arc<Track>| drop(track)).unwrap();
    assert_eq!(in_a_hundred(|| assert_eq!(signal.emit(TRACK).called(), 4)), 100);
}

#[test]
fn one_for_whoever_keeps_it_further_up() {
    let parent = Bus::new();
    let history = History::new();
    parent.layer(history.clone());
    let child = parent.child("a").unwrap();
    child.connect("b", |_: &Track| {}).unwrap().detach();
    let signal = child.signal::<Track>("b").unwrap();
    (0..2_000).for_each(|_| drop(signal.emit(TRACK)));
    assert_eq!(in_a_hundred(|| assert_eq!(signal.emit(TRACK).called(), 1)), 100);
}

#[test]
fn nothing_beside_a_bridge_and_one_across_it() {
    let (here, there) = (bus(), bus());
    let elsewhere = (Bus::new(), Bus::new());
    let _elsewhere = elsewhere.0.bridge("**", &elsewhere.1).unwrap();
    let child = here.child("a").unwrap();
    child.connect("b", |_: &Track| {}).unwrap().detach();
    assert_eq!(in_a_hundred(|| assert_eq!(child.emit("b", TRACK).called(), 4)), 0);
    let _bridge = here.bridge("**", &there).unwrap();
    assert_eq!(in_a_hundred(|| assert_eq!(here.emit("a.b", TRACK).called(), 6)), 100);
}
