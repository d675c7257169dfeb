//! An emit sees one version of the handlers and the stack; after a change has returned, every emit sees it.

use sigtree::{Bus, Connection, Event, Next, Stack};

use super::stage::{Seen, bus, by_name, by_signal, change_while_emitting, connect};
use crate::{EMITTERS, EMITTERS_OF_THE_LONGEST, check};

/// An emit sees a handler or not.
#[test]
fn connecting() {
    check(|| {
        let bus = bus();
        let emit = by_signal(&bus);
        let _first = connect(&bus, "a.b", 0);
        assert_eq!(emit(), 0b1);
        change_while_emitting(EMITTERS, emit, &[0b1, 0b11], || connect(&bus, "a.b", 1));
    });
}

/// An emit sees both of two handlers, or the first, or none: never the second alone.
#[test]
fn connecting_in_order() {
    check(|| {
        let bus = bus();
        change_while_emitting(EMITTERS, by_signal(&bus), &[0, 0b1, 0b11], || connect_two(&bus));
    });
}

/// The same where the patterns have handlers already, on a topic that is emitted for the first time.
#[test]
fn joining_in_order() {
    check(|| {
        let bus = bus();
        let _there = [connect(&bus, "a.b", 2), connect(&bus, "a.*", 3)];
        change_while_emitting(EMITTERS, by_signal(&bus), &[0b1100, 0b1101, 0b1111], || connect_two(&bus));
    });
}

fn connect_two(bus: &Bus) -> [Connection; 2] {
    [connect(bus, "a.b", 0), connect(bus, "a.*", 1)]
}

/// After `disconnect` returned, no emit of this thread or of one that was told sees the handler.
#[test]
fn disconnecting() {
    check(|| {
        let bus = bus();
        let emit = by_signal(&bus);
        let [first, _second] = connect_two(&bus);
        assert_eq!(emit(), 0b11);
        change_while_emitting(EMITTERS, emit, &[0b11, 0b10], || first.disconnect());
    });
}

/// A new pattern that matches a hot topic is seen by every emit that follows; no route without it is left behind.
#[test]
fn a_new_pattern_on_a_hot_topic() {
    check(|| {
        let bus = bus();
        let emit = by_signal(&bus);
        let _first = connect(&bus, "a.b", 0);
        assert_eq!(emit(), 0b1);
        change_while_emitting(EMITTERS, emit, &[0b1, 0b11], || connect(&bus, "a.*", 1));
    });
}

/// The same for emits by name, whose routes stand in the cache.
#[test]
fn a_new_pattern_on_a_hot_name() {
    check(|| {
        let bus = bus();
        let emit = by_name(&bus);
        let _first = connect(&bus, "a.b", 0);
        assert_eq!((emit(), emit()), (0b1, 0b1));
        change_while_emitting(EMITTERS, emit, &[0b1, 0b11], || connect(&bus, "**", 1));
    });
}

/// A topic nobody listened to, and then somebody does.
#[test]
fn the_first_handler() {
    check(|| {
        let bus = bus();
        let emit = by_signal(&bus);
        assert_eq!(emit(), 0);
        change_while_emitting(EMITTERS, emit, &[0, 0b1], || connect(&bus, "a.b", 0));
    });
}

/// An emit sees one stack, whole.
#[test]
fn swapping_stacks() {
    check(|| {
        let bus = bus();
        let emit = by_signal(&bus);
        let _handler = connect(&bus, "a.b", 0);
        bus.set_stack(stack([1, 2]));
        assert_eq!(emit(), 0b111);
        change_while_emitting(EMITTERS, emit, &[0b0_0111, 0b1_1001], || bus.set_stack(stack([3, 4])));
    });
}

/// Handlers and stack are one version: a handler that came before a stack is seen by whoever sees the stack.
#[test]
fn handlers_and_stack_on_a_hot_topic() {
    check(|| {
        let bus = bus();
        let emit = by_signal(&bus);
        let _first = connect(&bus, "a.b", 0);
        assert_eq!(emit(), 0b1);
        change_while_emitting(EMITTERS, emit, &HANDLERS_AND_STACK, || connect_and_stack(&bus));
    });
}

/// The same on a topic that is emitted for the first time.
#[test]
fn handlers_and_stack_on_a_cold_topic() {
    check(|| {
        let bus = bus();
        let _first = connect(&bus, "a.b", 0);
        change_while_emitting(EMITTERS, by_signal(&bus), &HANDLERS_AND_STACK, || connect_and_stack(&bus));
    });
}

/// The same for emits by name that stand in no cache.
#[test]
fn handlers_and_stack_by_name() {
    check(|| {
        let bus = bus();
        let emit = by_name(&bus);
        let _first = connect(&bus, "a.b", 0);
        change_while_emitting(EMITTERS_OF_THE_LONGEST, emit, &HANDLERS_AND_STACK, || connect_and_stack(&bus));
    });
}

/// What an emit may see while a second handler and then a stack come.
const HANDLERS_AND_STACK: [u32; 3] = [0b0001, 0b0011, 0b1111];

fn connect_and_stack(bus: &Bus) -> Connection {
    let second = connect(bus, "a.*", 1);
    bus.set_stack(stack([2, 3]));
    second
}

/// A stack of two layers that set their bits.
fn stack(bits: [u32; 2]) -> Stack {
    let [first, second] = bits.map(|bit| {
        move |event: &Event<'_>, next: Next<'_>| {
            event.payload::<Seen>().unwrap().set(bit);
            next.run(event);
        }
    });
    Stack::new().with(first).with(second)
}
