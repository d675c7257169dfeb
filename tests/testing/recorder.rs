//! What a recorder sees: all that its patterns bring, in order, within bounds, and with no lock held.

use sigtree::testing::{Recorder, Script, TestBus};
use sigtree::{Bus, Priority};

use crate::{KLM, SECOND, Track, failure, flight};

#[test]
fn a_recorder_sees_topics_payloads_ids_times_and_company_in_order() {
    let bus = TestBus::new();
    let seen = bus.record("track.**");
    bus.show::<Track>();
    bus.emit("track.new", KLM);
    bus.emit("other", 1_u32);
    bus.advance(2 * SECOND);
    let first = seen.events()[0].id();
    bus.event("track.gone")
        .source("radar")
        .priority(Priority::High)
        .correlation("c")
        .causation(first)
        .targets(["screen"])
        .meta("unit", "m")
        .emit(KLM);

    assert_eq!(seen.topics(), ["track.new", "track.gone"]);
    assert_eq!(seen.payloads::<Track>(), [KLM, KLM]);
    assert_eq!(seen.payloads::<u32>(), [0; 0]);
    let [new, gone] = &seen.events()[..] else { panic!("two events") };
    assert_eq!((new.number(), new.id().to_bits(), new.payload()), (1, 1, Some(&KLM)));
    assert_eq!((gone.number(), gone.offset(), gone.source().unwrap().as_str()), (2, 2 * SECOND, "radar"));
    assert_eq!(gone.time(), std::time::UNIX_EPOCH + 2 * SECOND);
    assert_eq!(*gone.share::<Track>().unwrap(), KLM);
    assert_eq!(
        format!("{seen:#}"),
        "#1 0ns track.new Track { id: 7, name: \"KLM1023\" }\n\
         #2 2s track.gone Track { id: 7, name: \"KLM1023\" }, from radar, priority High, correlation c, caused by #1, to screen, unit=m"
    );
}

#[test]
fn an_event_stands_before_those_it_leads_to_whoever_connected_first() {
    let bus = TestBus::new();
    let weak = bus.downgrade();
    let _answer =
        bus.on("ask").priority(1_000).connect(move |n: &u32| drop(weak.upgrade().unwrap().emit("answer", n + 1)));
    let seen = bus.record("**");
    bus.emit("ask", 1_u32);
    seen.exactly(["ask 1", "answer 2"]);
}

#[test]
fn a_recorder_of_a_parent_sees_the_events_of_children_and_one_may_hear_several_buses() {
    let bus = TestBus::new();
    let child = bus.child("radar").unwrap();
    let other = Bus::new();
    let seen = bus.record("**").listen(&child, "on").listen(&other, ["a", "b"]);
    child.emit("on", true);
    other.emit("b", 'b');
    seen.exactly(["on true", "radar.on true", "b 'b'"]);
}

#[test]
fn its_connections_end_with_its_last_handle() {
    let bus = Bus::new();
    let seen = Recorder::on(&bus, "a").listen(&bus, "b");
    let other = seen.clone();
    assert!(
        bus.explain("a")
            .unwrap()
            .to_string()
            .contains("`a` named `recorder`, priority 2147483647 (tests/testing/recorder.rs:")
    );
    drop(seen);
    bus.emit("a", 1_u8);
    other.exactly(["a 1"]);
    assert_eq!(bus.connections(), 2);
    drop(other);
    assert_eq!(bus.connections(), 0);
}

#[test]
fn it_is_bounded_and_then_says_nothing_of_all() {
    let bus = TestBus::new();
    let seen = bus.record("n").room(2);
    (1..=5_u32).for_each(|n| drop(bus.emit("n", n)));
    assert_eq!((seen.payloads::<u32>(), seen.forgotten(), seen.len()), (vec![4, 5], 3, 2));
    assert_eq!(seen.to_string(), "(3 forgotten)\nn 4\nn 5");
    seen.emitted("n").with(&5_u32).at_least(1);
    let complaint = "the recorder forgot 3 events, so nothing can be said of all: raise `Recorder::room`\n\
                     seen on `n`:\n    ... (0 earlier, 3 forgotten)\n     4  n 4\n     5  n 5";
    assert_eq!(failure(|| drop(seen.emitted("n").times(2))), complaint);
    assert_eq!(failure(|| drop(seen.emitted("n").at_most(2))), complaint);
    assert_eq!(failure(|| drop(seen.emitted("n").before("n"))), complaint);
    assert_eq!(failure(|| drop(seen.emitted("n").at([SECOND]))), complaint);
    assert_eq!(failure(|| drop(seen.emitted("n").with_payloads([4_u32, 5]))), complaint);
    assert_eq!(failure(|| seen.not_emitted("m")), complaint);
    assert_eq!(failure(|| seen.exactly(["n 4", "n 5"])), complaint);
    assert_eq!(failure(|| seen.nothing_but("n")), complaint);
    assert_eq!(failure(|| Script::new(&seen).nothing()), complaint);
    seen.clear();
    assert_eq!((seen.is_empty(), seen.forgotten()), (true, 3));
}

#[test]
fn what_is_taken_is_gone_and_numbers_go_on() {
    let bus = TestBus::new();
    let seen = bus.record("**");
    flight(&bus);
    assert_eq!(seen.take().len(), 4);
    seen.nothing();
    bus.emit("parked", ());
    assert_eq!(seen.events()[0].number(), 5);
    seen.exactly(["parked ()"]);
}

#[test]
fn payloads_are_dropped_and_written_with_no_lock_held() {
    struct Talker(Recorder, Bus);
    impl std::fmt::Debug for Talker {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "one of {}", self.0.len())
        }
    }
    impl Drop for Talker {
        fn drop(&mut self) {
            self.1.emit("dropped", self.0.len());
        }
    }
    let bus = Bus::new();
    let seen = Recorder::on(&bus, "talker | dropped").room(1).show::<Talker>();
    bus.emit("talker", Talker(seen.clone(), bus.clone()));
    assert_eq!(seen.to_string(), "talker one of 1");
    bus.emit("talker", Talker(seen.clone(), bus.clone()));
    assert_eq!(seen.lines(), ["dropped 1"]);
}
