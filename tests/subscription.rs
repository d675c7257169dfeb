//! Events wait in a subscription until somebody takes them.

mod support;

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use sigtree::{Bus, Event, Filter, ManualClock, Overflow, Priority, Queue, Subscription};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn events_wait_in_order_until_they_are_taken() {
    let bus = Bus::new();
    let numbers = bus.subscribe::<u32>("n.*").unwrap();
    for n in 1..=3 {
        assert_eq!(bus.emit(["n.a", "n.b"][n % 2], n as u32).called(), 1);
    }
    bus.emit("m", 9_u32);
    assert_eq!(numbers.len(), 3);
    let taken: Vec<_> = numbers.drain().map(|event| (event.topic().to_string(), *event)).collect();
    assert_eq!(taken, [("n.b".to_owned(), 1), ("n.a".to_owned(), 2), ("n.b".to_owned(), 3)]);
    assert!(numbers.is_empty() && numbers.try_recv().unwrap_err().is_empty());
}

#[test]
fn an_exact_topic_and_a_redirected_event_have_their_names() {
    let bus = Bus::new();
    let here = bus.subscribe::<u32>("a.b").unwrap();
    let child = bus.child("a").unwrap();
    bus.emit("a.b", 1_u32);
    child.emit("b", 2_u32);
    let taken: Vec<_> = here.drain().map(|event| (event.topic().to_string(), *event)).collect();
    assert_eq!(taken, [("a.b".to_owned(), 1), ("a.b".to_owned(), 2)]);
}

#[test]
fn a_type_is_taken_and_others_pass_by() {
    let bus = Bus::new();
    let numbers = bus.subscribe::<u32>("**").unwrap();
    let all: Subscription = bus.subscribe("**").unwrap();
    bus.emit("n", 1_u32);
    bus.emit("t", "text");
    assert_eq!(numbers.drain().map(|n| *n).collect::<Vec<_>>(), [1]);
    let all: Vec<_> = all.drain().collect();
    assert_eq!(all[0].payload::<u32>(), Some(&1));
    assert_eq!(all[1].payload::<&str>(), Some(&"text"));
    let _fixed = bus.subscribe::<u32>("n").unwrap();
    assert!(bus.subscribe::<String>("n").unwrap_err().is_type_mismatch());
}

#[test]
fn payloads_are_shared_and_not_copied() {
    struct Big(#[allow(dead_code)] Vec<u8>);
    let bus = Bus::new();
    let (one, two) = (bus.subscribe::<Big>("big").unwrap(), bus.subscribe::<Big>("big").unwrap());
    let big = Arc::new(Big(vec![0; 1 << 20]));
    bus.emit_shared("big", big.clone());
    let (one, two) = (one.try_recv().unwrap(), two.try_recv().unwrap());
    assert!(Arc::ptr_eq(&one.share(), &big) && Arc::ptr_eq(&two.into_shared(), &big));
    drop((one, big));
}

#[test]
fn what_travels_with_a_payload_is_there() {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    let plain = bus.subscribe::<u32>("n").unwrap();
    let stamped = bus.on("n").queue(Queue::default().stamped()).subscribe::<u32>().unwrap();
    clock.advance(MINUTE);
    bus.event("n").source("me").correlation("c").meta("k", "v").priority(Priority::High).emit(1_u32);
    let one = plain.try_recv().unwrap();
    assert_eq!((one.source().unwrap().as_str(), one.correlation(), one.meta("k")), ("me", Some("c"), Some("v")));
    assert_eq!((one.priority(), one.id(), one.stamp().is_none()), (Priority::High, None, true));
    let two = stamped.try_recv().unwrap();
    assert_eq!(two.stamp().unwrap().offset, MINUTE);

    // Whoever asks is told the same.
    let asked = Arc::new(parking_lot::Mutex::new(None));
    let note = asked.clone();
    let _asks = bus.on("n").priority(1).connect(move |event: &Event<'_>| *note.lock() = Some(event.id())).unwrap();
    bus.emit("n", 2_u32);
    assert_eq!(plain.try_recv().unwrap().id(), *asked.lock());
    assert_eq!(stamped.try_recv().unwrap().id(), *asked.lock());
}

#[test]
fn conditions_and_layers_stand_before_the_queue() {
    let bus = Bus::new();
    let even = bus.on("n").filter_payload(|n: &u32| n.is_multiple_of(2)).subscribe::<u32>().unwrap();
    let large = bus.on("n").middleware(Filter::payload(|n: &u32| *n > 2)).subscribe::<u32>().unwrap();
    let twice = bus.on("n").times(2).subscribe::<u32>().unwrap();
    for n in 1..=4_u32 {
        bus.emit("n", n);
    }
    assert_eq!(even.drain().map(|n| *n).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(large.drain().map(|n| *n).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(twice.drain().map(|n| *n).collect::<Vec<_>>(), [1, 2]);
    assert!(twice.is_closed() && twice.try_recv().unwrap_err().is_closed());
}

#[test]
fn a_mute_keeps_events_out() {
    let bus = Bus::new();
    let numbers = bus.subscribe::<u32>("n").unwrap();
    let mute = numbers.mute();
    assert_eq!(bus.emit("n", 1_u32).muted(), 1);
    drop(mute);
    bus.emit("n", 2_u32);
    assert_eq!(numbers.drain().map(|n| *n).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_dropped_subscription_is_over_and_frees_what_waits() {
    let bus = Bus::new();
    let numbers = bus.subscribe::<Arc<()>>("n").unwrap();
    let more = numbers.clone();
    let load = Arc::new(());
    bus.emit("n", load.clone());
    drop(numbers);
    assert_eq!(bus.connections(), 1);
    assert_eq!(Arc::strong_count(&load), 2);
    drop(more);
    assert_eq!(bus.connections(), 0);
    assert_eq!(Arc::strong_count(&load), 1);
    assert_eq!(bus.emit("n", load.clone()).called(), 0);
}

#[test]
fn what_waits_can_be_taken_after_the_bus_is_gone() {
    let bus = Bus::new();
    let numbers = bus.subscribe::<u32>("n").unwrap();
    bus.emit("n", 1_u32);
    drop(bus);
    assert!(numbers.is_closed());
    assert_eq!(*numbers.try_recv().unwrap(), 1);
    assert!(numbers.try_recv().unwrap_err().is_closed());
    assert!(numbers.recv_blocking().unwrap_err().is_closed());
    assert!(numbers.recv_timeout(MINUTE).unwrap_err().is_closed());
    assert_eq!((&numbers).into_iter().count(), 0);
}

#[test]
fn who_sleeps_is_woken_by_an_event_and_by_the_end() {
    let bus = Bus::new();
    let numbers = bus.subscribe::<u32>("n").unwrap();
    let taker = thread::spawn(move || (&numbers).into_iter().map(|n| *n).collect::<Vec<_>>());
    for n in 0..100_u32 {
        bus.emit("n", n);
        if n % 10 == 0 {
            thread::yield_now();
        }
    }
    drop(bus);
    assert_eq!(taker.join().unwrap(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_time_without_an_event_ends() {
    let bus = Bus::new();
    let numbers = bus.subscribe::<u32>("n").unwrap();
    assert!(numbers.recv_timeout(Duration::from_millis(1)).unwrap_err().is_empty());
    assert!(numbers.recv_timeout(Duration::ZERO).unwrap_err().is_empty());
    bus.emit("n", 1_u32);
    assert_eq!(*numbers.recv_timeout(Duration::MAX).unwrap(), 1);
}

#[test]
fn clones_share_the_load_and_each_event_goes_to_one() {
    const ALL: u32 = 10_000;
    let bus = Bus::new();
    let queue = Queue::bounded(64).overflow(Overflow::Block(MINUTE));
    let numbers = bus.on("n").queue(queue).subscribe::<u32>().unwrap();
    let takers: Vec<_> = (0..4)
        .map(|_| {
            let numbers = numbers.clone();
            thread::spawn(move || (&numbers).into_iter().map(|n| *n).collect::<Vec<_>>())
        })
        .collect();
    for n in 0..ALL {
        assert_eq!(bus.emit("n", n).called(), 1);
    }
    drop(bus);
    let mut taken: Vec<_> = takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect();
    taken.sort_unstable();
    assert_eq!(taken, (0..ALL).collect::<Vec<_>>());
    assert_eq!(numbers.stats().received, u64::from(ALL));
}

#[test]
fn a_queue_looks_at_no_event_of_an_emit_it_came_too_late_for() {
    let bus = Bus::new();
    let late = Arc::new(parking_lot::Mutex::new(None));
    let (weak, place) = (bus.downgrade(), late.clone());
    let _connects = bus
        .connect("n", move |_: &u32| {
            let bus = weak.upgrade().unwrap();
            place.lock().get_or_insert_with(|| bus.subscribe::<u32>("n").unwrap());
        })
        .unwrap();
    bus.emit("n", 1_u32);
    bus.emit("n", 2_u32);
    assert_eq!(late.lock().as_ref().unwrap().drain().map(|n| *n).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_disconnect_ends_all_clones_and_what_waits_can_still_be_taken() {
    let bus = Bus::new();
    let queue = Queue::bounded(1).overflow(Overflow::Block(MINUTE));
    let (began, begins) = mpsc::channel();
    // An emit that says this is past the look whether the connection is there.
    let filter = move |_: &Event<'_>| began.send(()).is_ok();
    let numbers = bus.on("n").queue(queue).filter(filter).subscribe::<u32>().unwrap();
    let (clone, idle) = (numbers.clone(), bus.subscribe::<u32>("m").unwrap());
    assert_eq!(numbers.id(), bus.inspect().patterns[0].connections[0].id);
    assert!(numbers.id() == clone.id() && numbers.id() != idle.id());
    bus.emit("n", 1_u32);
    begins.recv().unwrap();
    thread::scope(|threads| {
        let sleeps = idle.clone();
        let sleeper = threads.spawn(move || sleeps.recv_blocking().unwrap_err().is_closed());
        let waits = threads.spawn(|| bus.emit("n", 2_u32));
        begins.recv().unwrap();
        idle.disconnect();
        numbers.disconnect();
        assert!(sleeper.join().unwrap(), "it is woken");
        let delivery = waits.join().unwrap();
        assert_eq!((delivery.called(), delivery.skipped(), delivery.failed()), (0, 1, 0), "it waits no longer");
    });
    assert!(clone.is_closed() && !bus.disconnect(clone.id()));
    assert_eq!(bus.emit("n", 3_u32).called(), 0);
    assert_eq!(*clone.try_recv().unwrap(), 1);
    assert!(numbers.try_recv().unwrap_err().is_closed() && clone.try_recv().unwrap_err().is_closed());
    numbers.disconnect();
}

/// The moments between the last look at the queue and the look whether it is closed are short.
const ROUNDS: u32 = if cfg!(miri) { 20 } else { 500 };

#[test]
fn nobody_is_told_of_the_end_while_an_event_waits() {
    for n in 0..ROUNDS {
        let bus = Bus::new();
        let numbers = bus.subscribe::<u32>("n").unwrap();
        let emitter = thread::spawn(move || drop(bus.emit("n", n)));
        let received = loop {
            match numbers.recv_timeout(Duration::ZERO) {
                Ok(number) => break Some(*number),
                Err(error) if error.is_closed() => break None,
                Err(_) => {}
            }
        };
        emitter.join().unwrap();
        assert_eq!(received, Some(n));
    }
}

struct Mine(u32);

impl Drop for Mine {
    fn drop(&mut self) {
        assert!(self.0 != 1, "the first one");
    }
}

#[test]
fn a_payload_whose_end_panics_costs_neither_the_emit_nor_the_event_that_took_its_place() {
    for others in [0, 2] {
        let bus = Bus::new();
        let newest =
            || bus.on("n").queue(Queue::bounded(1).overflow(Overflow::DropOldest)).subscribe::<Mine>().unwrap();
        let (mine, others): (_, Vec<_>) = (newest(), (0..others).map(|_| newest()).collect());
        assert_eq!(bus.emit("n", Mine(1)).called(), 1 + others.len());
        let delivery = support::quietly(|| bus.emit("n", Mine(2)));
        assert_eq!((delivery.called(), delivery.failed()), (1 + others.len(), 1), "{:?}", delivery.failures());
        for queue in others.iter().chain([&mine]) {
            assert_eq!((queue.stats().dropped_oldest, queue.stats().sent()), (1, 2));
            assert_eq!(queue.try_recv().unwrap().0, 2);
        }
    }
}

#[test]
fn what_a_queue_alone_on_its_topic_is_not_given_is_dropped_or_goes_on() {
    let bus = Bus::new();
    let payload = Arc::new(7_u32);
    let numbers = bus.on("n").queue(Queue::bounded(1)).subscribe::<u32>().unwrap();
    let mute = numbers.mute();
    assert_eq!(bus.emit_shared("n", payload.clone()).muted(), 1);
    drop(mute);
    assert_eq!(bus.emit_shared("n", payload.clone()).called(), 1);
    assert_eq!(bus.emit_shared("n", payload.clone()).skipped(), 1);
    assert!(bus.try_emit("n", 8_u32).is_err());
    assert_eq!((Arc::strong_count(&payload), *numbers.try_recv().unwrap()), (2, 7));
    assert_eq!((Arc::strong_count(&payload), bus.emit_ref("n", &*payload).called()), (1, 1));
    assert_eq!(*numbers.try_recv().unwrap(), 7);
}
