//! Two stock pieces in both orders, where it is worth a story of its own; the page of pairs has all of them.

mod support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use sigtree::middleware::{
    Batch, Calls, CircuitBreaker, CircuitState, Correlation, DeadLetter, Debounce, Deduplicate, Fault, Inspect, Job,
    Latest, Letter, Offload, Refused, Retry, Route, Sample, Timeout, Validate,
};
use sigtree::{Bus, Clock, Event, Filter, History, ManualClock, Middleware, Next, Scoped, Stack, Transform, sys};
use support::Recorder;

const SECOND: Duration = Duration::from_secs(1);

/// A bus on a clock of its own.
fn timed(stack: Stack) -> (Bus, ManualClock) {
    let clock = ManualClock::new();
    let bus = Bus::builder().clock(clock.clone()).build();
    bus.set_stack(stack);
    (bus, clock)
}

/// Two pieces, made for each, in both orders.
fn orders<A: Middleware, B: Middleware>(one: impl Fn() -> A, other: impl Fn() -> B) -> [Stack; 2] {
    [Stack::new().with(one()).with(other()), Stack::new().with(other()).with(one())]
}

/// Writes down what it is called with and when, and fails so many times.
fn failing(times: u32, seen: &Recorder) -> impl Fn(&u32, &Event<'_>) -> Result<(), &'static str> + use<> {
    let (seen, calls) = (seen.clone(), AtomicU32::new(0));
    move |n: &u32, event: &Event<'_>| {
        let now = event.emission().host().clock().elapsed();
        seen.note(format_args!("{n} at {now:?}"));
        if calls.fetch_add(1, Ordering::Relaxed) < times { Err("broken") } else { Ok(()) }
    }
}

/// A layer whose events go on when somebody runs the jobs.
fn offload() -> (Offload, mpsc::Receiver<Job>) {
    let (jobs, waiting) = mpsc::channel();
    (Offload::to(move |job| jobs.send(job).map_err(|_| Refused::because("nobody runs jobs"))), waiting)
}

/// Payload and attempts of each letter.
fn letters(dead: &DeadLetter) -> Vec<(u32, u32)> {
    dead.letters().iter().map(|letter| (*letter.payload().unwrap(), letter.attempts())).collect()
}

#[test]
fn retry_inside_dead_letters_makes_one_letter_and_outside_one_a_try() {
    for (retry_inside, expected) in [(true, vec![(7, 3)]), (false, vec![(7, 1), (7, 2), (7, 3)])] {
        let (dead, retry) = (DeadLetter::new(), Retry::times(2).every(SECOND));
        let [inside, outside] = orders(|| dead.clone(), || retry.clone());
        let (bus, _) = timed(if retry_inside { inside } else { outside });
        let _broken = bus.connect("a", |_: &u32| Err("broken")).unwrap();
        bus.emit("a", 7_u32);
        assert_eq!(letters(&dead), expected);
    }
}

#[test]
fn a_try_that_failed_is_a_letter_for_dead_letters_inside_though_a_later_one_succeeds() {
    let seen = Recorder::new();
    let (inner, outer) = (DeadLetter::new(), DeadLetter::new());
    let stack = Stack::new().with(outer.clone()).with(Retry::times(2).every(SECOND)).with(inner.clone());
    let (bus, _) = timed(stack);
    let _moody = bus.connect("a", failing(1, &seen)).unwrap();
    assert_eq!(bus.emit("a", 7_u32).failed(), 0);
    assert_eq!((letters(&inner), letters(&outer)), (vec![(7, 1)], vec![]));
}

#[test]
fn handlers_of_an_event_that_was_held_are_called_again_wherever_the_retry_stands() {
    for stack in orders(|| Retry::times(2).every(SECOND), || Debounce::new(5 * SECOND)) {
        let seen = Recorder::new();
        let (bus, clock) = timed(stack);
        let _moody = bus.connect("a", failing(1, &seen)).unwrap();
        (1..=2_u32).for_each(|n| drop(bus.emit("a", n)));
        clock.advance(5 * SECOND);
        assert_eq!((seen.take(), bus.failures()), (vec!["2 at 5s".to_owned(), "2 at 6s".to_owned()], 0));
    }
}

/// A piece in whatever pieces can be packed into.
fn packed<M: Middleware + Clone>(piece: &M) -> [(&'static str, Stack); 7] {
    let piece = || piece.clone();
    let all = || Filter::new(|_: &Event<'_>| true);
    [
        ("alone", Stack::new().with(piece())),
        ("scoped", Stack::new().with(Scoped::new("a", piece()).unwrap())),
        ("optional", Stack::new().with(Some(piece()))),
        ("shared", Stack::new().with(Arc::new(piece()))),
        ("in a tuple", Stack::new().with((all(), piece()))),
        ("in a stack", Stack::new().with(Stack::new().with(all()).with(piece()))),
        ("in a box", [Box::new(piece()) as Box<dyn Middleware>].into_iter().collect()),
    ]
}

#[test]
fn whatever_a_retry_is_packed_into_it_stands_around_events_that_were_held() {
    for (how, stack) in packed(&Retry::times(1).every(SECOND)) {
        let seen = Recorder::new();
        let (bus, _) = timed(stack.with(Batch::new(9, SECOND)));
        let _moody = bus.connect("*", failing(1, &seen)).unwrap();
        bus.emit("a", 1_u32);
        bus.flush();
        assert_eq!((seen.take().len(), bus.failures()), (2, 0), "{how}");
    }
    // Of other topics than its own it does not concern itself then either.
    let elsewhere = Scoped::new("b", Retry::times(1).every(SECOND)).unwrap();
    let (bus, _) = timed(Stack::new().with(elsewhere).with(Batch::new(9, SECOND)));
    let _moody = bus.connect("*", failing(1, &Recorder::new())).unwrap();
    bus.emit("a", 1_u32);
    bus.flush();
    assert_eq!(bus.failures(), 1);
}

#[test]
fn whatever_they_are_packed_into_pieces_keep_hold_and_count_as_they_do_alone() {
    let history = History::new();
    for (how, stack) in packed(&history) {
        // A payload that cannot be cloned is kept only if the bus was told that somebody keeps it.
        let bus = Bus::new();
        bus.set_stack(stack);
        let _handler = bus.connect("a", |_: &AtomicU32| {}).unwrap();
        bus.emit("a", AtomicU32::new(1));
        assert_eq!((history.len(), history.stats().unkept), (1, 0), "{how}");
        history.clear();
    }
    for (how, stack) in packed(&Calls::new()) {
        let bus = Bus::new();
        bus.set_stack(stack);
        let handler = bus.connect("a", |_: &u32| {}).unwrap();
        bus.emit("a", 1_u32);
        assert!(bus.inspect().connections().all(|connection| connection.calls.is_some()), "{how}");
        drop(handler);
    }
    let debounce = Debounce::new(60 * SECOND);
    for (how, stack) in packed(&debounce) {
        let (bus, seen) = (Bus::new(), Recorder::new());
        bus.set_stack(stack.with(seen.layer("behind")));
        let _handler = bus.connect("a", seen.events()).unwrap();
        assert!(bus.emit("a", 1_u32).is_held(), "{how}");
        bus.flush();
        assert_eq!((seen.take(), debounce.stats().held), (vec!["behind".to_owned(), "a 1".to_owned()], 0), "{how}");
    }
}

#[test]
fn whatever_an_executor_is_packed_into_what_stands_behind_it_there_is_done_in_its_jobs() {
    let (offload, waiting) = offload();
    let pair = Arc::new((offload.clone(), Transform::new(|n: &u32| n + 1)));
    for (how, stack) in packed(&pair) {
        let (bus, seen) = (Bus::new(), Recorder::new());
        bus.set_stack(stack);
        let _handler = bus.connect("a", seen.events()).unwrap();
        assert!(bus.emit("a", 1_u32).is_held(), "{how}");
        assert_eq!(seen.take(), [""; 0], "{how}");
        waiting.try_iter().for_each(Job::run);
        assert_eq!((seen.take(), offload.stats().held), (vec!["a 2".to_owned()], 0), "{how}");
    }
}

#[test]
fn around_one_connection_a_retry_stands_around_what_is_held_there_and_the_one_of_the_bus_does_not() {
    for (on_bus, calls) in [(false, 2), (true, 1)] {
        let seen = Recorder::new();
        let retry = Retry::times(1).every(SECOND);
        let (bus, clock) = timed(if on_bus { Stack::new().with(retry.clone()) } else { Stack::new() });
        let on = bus.on("a").middleware((!on_bus).then_some(retry)).middleware(Debounce::new(5 * SECOND));
        let _moody = on.connect(failing(1, &seen)).unwrap();
        bus.emit("a", 1_u32);
        clock.advance(5 * SECOND);
        assert_eq!((seen.take().len(), bus.failures()), (calls, u64::from(on_bus)));
    }
}

#[test]
fn dead_letters_keep_what_fails_after_it_was_held_as_it_was_there() {
    let double = || Transform::new(|n: &u32| n * 2);
    let dead = DeadLetter::new();
    for (stack, kept, replayed) in [
        // Before what changes it, that has it twice in a replay.
        (Stack::new().with(dead.clone()).with(double()).with(Debounce::new(SECOND)), 14, "28 at 0ns"),
        (Stack::new().with(double()).with(dead.clone()).with(Debounce::new(SECOND)), 14, "28 at 0ns"),
        (Stack::new().with(dead.clone()).with(Debounce::new(SECOND)).with(double()), 7, "14 at 0ns"),
        (Stack::new().with(dead.clone()).with(double()), 7, "14 at 0ns"),
    ] {
        let seen = Recorder::new();
        let (bus, _) = timed(stack);
        let _moody = bus.connect("a", failing(1, &seen)).unwrap();
        bus.emit("a", 7_u32);
        bus.flush();
        assert_eq!(letters(&dead), [(kept, 1)]);
        seen.take();
        dead.replay().run(&bus);
        bus.flush();
        assert_eq!((seen.take(), dead.len()), (vec![replayed.to_owned()], 0));
    }
}

#[test]
fn an_event_that_was_held_and_then_refused_or_heard_by_nobody_is_a_dead_letter_too() {
    let dead = DeadLetter::new().refused().unheard();
    let odd = Filter::payload(|n: &u32| n % 2 == 1).reason("even");
    let (bus, _) = timed(Stack::new().with(dead.clone()).with(Batch::new(9, SECOND)).with(odd));
    (1..=2_u32).for_each(|n| drop(bus.emit("a", n)));
    assert!(dead.is_empty(), "nothing is decided yet");
    bus.flush();
    let reasons: Vec<_> = dead.letters().iter().map(Letter::to_string).collect();
    assert_eq!(reasons, ["1. `a`, met nobody", "2. `a`, refused: even"]);
}

#[test]
fn a_history_before_a_debounce_has_the_burst_and_one_behind_it_its_end() {
    let history = History::new();
    for (stack, expected) in
        orders(|| history.clone(), || Debounce::new(SECOND)).into_iter().zip([vec![1, 2, 3], vec![3]])
    {
        let (bus, clock) = timed(stack);
        let _handler = bus.connect("a", |_: &u32| {}).unwrap();
        (1..=3_u32).for_each(|n| drop(bus.emit("a", n)));
        clock.advance(SECOND);
        let kept: Vec<u32> = history.entries().iter().filter_map(|entry| entry.payload().copied()).collect();
        assert_eq!(kept, expected);
        history.clear();
    }
}

#[test]
fn layers_before_one_that_holds_see_an_event_once_when_it_comes() {
    let seen = Recorder::new();
    let (look, list) = (seen.clone(), seen.clone());
    let around = move |event: &Event<'_>, next: Next<'_>| {
        next.run(event);
        list.note(format_args!("done, {} called", event.tally().called));
    };
    let stack = Stack::new()
        .with(Inspect::new(move |event: &Event<'_>| look.note(support::render(event))))
        .with(Transform::new(|n: &u32| n * 2))
        .with(around)
        .with(Latest::new(SECOND))
        .with(seen.layer("behind"));
    let (bus, clock) = timed(stack);
    let _handler = bus.connect("a", seen.events()).unwrap();
    (1..=3_u32).for_each(|n| drop(bus.emit("a", n)));
    let first = ["a 1", "behind", "a 2", "done, 1 called"];
    assert_eq!(seen.take(), [&first[..], &["a 2", "done, 0 called", "a 3", "done, 0 called"]].concat());
    clock.advance(SECOND);
    assert_eq!(seen.take(), ["behind", "a 6"]);
}

#[test]
fn a_call_again_is_no_duplicate_on_either_side_of_a_retry() {
    let seen = Recorder::new();
    let once = Deduplicate::within(60 * SECOND);
    for stack in orders(|| once.clone(), || Retry::times(2).every(SECOND)) {
        let (bus, _) = timed(stack);
        let _moody = bus.connect("a", failing(2, &seen)).unwrap();
        assert_eq!((bus.emit("a", 1_u32).failed(), seen.take().len()), (0, 3));
    }
    assert_eq!((once.stats().passed, once.stats().dropped), (2, 0));
}

#[test]
fn a_breaker_around_retries_counts_events_and_inside_tries() {
    let breaker = || CircuitBreaker::consecutive(2).open_for(60 * SECOND);
    let retry = || Retry::times(9).every(SECOND);
    for (inside, calls) in [(false, vec![10, 10, 0]), (true, vec![2, 0, 0])] {
        let breaker = breaker();
        let [inner, outer] = orders(retry, || breaker.clone());
        let (bus, _) = timed(if inside { inner } else { outer });
        let seen = Recorder::new();
        let _broken = bus.connect("a", failing(99, &seen)).unwrap();
        let made = [1, 2, 3_u32].map(|n| {
            bus.emit("a", n);
            seen.take().len()
        });
        assert_eq!((made.to_vec(), breaker.circuits()[0].state), (calls, CircuitState::Open));
    }
}

#[test]
fn a_breaker_before_latest_hears_of_failures_that_come_later() {
    for stack_of in [0, 1] {
        let breaker = CircuitBreaker::consecutive(2);
        let [before, behind] = orders(|| breaker.clone(), || Latest::new(SECOND));
        let (bus, clock) = timed([before, behind][stack_of].clone());
        let seen = Recorder::new();
        let _broken = bus.connect("a", failing(99, &seen)).unwrap();
        for n in 1..=4_u32 {
            bus.emit("a", n);
            bus.emit("a", n + 10);
            clock.advance(SECOND);
        }
        assert_eq!((seen.take(), breaker.stats().left_out), (vec!["1 at 0ns".to_owned(), "11 at 1s".to_owned()], 3));
    }
}

#[test]
fn a_deadline_before_a_debounce_covers_the_wait_and_behind_it_the_handlers() {
    for (late, expected) in [(true, (0, 0, 1)), (false, (1, 0, 0))] {
        let timeout = Timeout::new(SECOND).leave_out();
        let [before, behind] = orders(|| timeout.clone(), || Debounce::new(2 * SECOND));
        let (bus, clock) = timed(if late { before } else { behind });
        let seen = Recorder::new();
        let list = seen.clone();
        let _asks = bus.connect("a", move |event: &Event<'_>| list.note(format_args!("{:?}", event.time_left())));
        bus.emit("a", 1_u32);
        clock.advance(2 * SECOND);
        assert_eq!((seen.take().len(), timeout.stats().late, timeout.stats().left_out), expected);
    }
    // Without `leave_out` the handler is called, and sees that its time is over.
    let timeout = Timeout::new(SECOND);
    let (bus, clock) = timed(Stack::new().with(timeout.clone()).with(Debounce::new(2 * SECOND)));
    let seen = Recorder::new();
    let list = seen.clone();
    let _asks = bus.connect("a", move |event: &Event<'_>| list.note(format_args!("{:?}", event.time_left())));
    bus.emit("a", 1_u32);
    clock.advance(2 * SECOND);
    assert_eq!((seen.take(), timeout.stats().late), (vec!["Some(0ns)".to_owned()], 1));
}

#[test]
fn a_deadline_before_a_retry_is_told_of_all_tries_and_behind_it_of_the_late_one() {
    for (is_behind, began) in [(false, Duration::ZERO), (true, SECOND)] {
        let timeout = Timeout::new(SECOND * 3 / 2);
        let [before, behind] = orders(|| timeout.clone(), || Retry::times(9).every(SECOND / 2));
        let (bus, clock) = timed(if is_behind { behind } else { before });
        let seen = Recorder::new();
        let list = seen.clone();
        let _late =
            bus.connect("$sys.late", move |late: &sys::HandlerLate| list.note(format_args!("{:?}", late.began)));
        let (work, calls) = (clock.clone(), Arc::new(AtomicU32::new(0)));
        let count = calls.clone();
        let _slow = bus.connect("a", move |_: &u32| {
            count.fetch_add(1, Ordering::Relaxed);
            // The second try goes beyond the deadline.
            work.sleep(SECOND / 2 + Duration::from_millis(1));
            Err("no")
        });
        bus.emit("a", 1_u32);
        let expected = began + Duration::from_millis(u64::from(is_behind));
        assert_eq!((seen.take(), timeout.stats().late), (vec![format!("{expected:?}")], 1));
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }
}

#[test]
fn correlation_before_a_batch_ties_to_what_led_to_an_event_and_behind_it_to_nothing() {
    let outcome = |stack: Stack| {
        let (bus, _) = timed(stack);
        let seen = Recorder::new();
        let (emitter, list) = (bus.downgrade(), seen.clone());
        // Fills the batch while it is called, and so lets it go.
        let _last = bus.on("last").connect(move |_: &u32| drop(emitter.upgrade().map(|bus| bus.emit("row", 2_u32))));
        let _rows = bus.connect("row", move |n: &u32, event: &Event<'_>| {
            list.note(format_args!("{n} {}", if event.causation().is_some() { "led to" } else { "by itself" }));
        });
        bus.emit("row", 1_u32);
        bus.emit("last", 0_u32);
        seen.take()
    };
    let batch = || Scoped::new("row", Batch::new(2, SECOND)).unwrap();
    let [before, behind] = orders(Correlation::new, batch);
    assert_eq!(outcome(before), ["1 by itself", "2 led to"]);
    assert_eq!(outcome(behind), ["1 by itself", "2 by itself"]);
}

#[test]
fn correlation_before_an_executor_ties_to_what_led_to_an_event_and_behind_it_to_nothing() {
    let outcome = |is_behind: bool| {
        let (offload, waiting) = offload();
        let [before, behind] = orders(Correlation::new, || offload.clone());
        let (bus, _) = timed(if is_behind { behind } else { before });
        let seen = Recorder::new();
        let (emitter, list) = (bus.downgrade(), seen.clone());
        let _first = bus.connect("first", move |_: &u32| drop(emitter.upgrade().map(|bus| bus.emit("row", 2_u32))));
        let _rows = bus.connect("row", move |n: &u32, event: &Event<'_>| {
            list.note(format_args!("{n} {}", if event.causation().is_some() { "led to" } else { "by itself" }));
        });
        bus.emit("row", 1_u32);
        bus.emit("first", 0_u32);
        waiting.try_iter().for_each(Job::run);
        seen.take()
    };
    assert_eq!(outcome(false), ["1 by itself", "2 led to"]);
    assert_eq!(outcome(true), ["1 by itself", "2 by itself"]);
}

#[test]
fn dead_letters_before_an_executor_keep_what_it_refuses() {
    for (is_behind, expected) in [(false, vec![(7, 0)]), (true, vec![])] {
        let dead = DeadLetter::new().refused();
        let full = || Offload::to(|_: Job| Err(Refused::because("full")));
        let [before, behind] = orders(|| dead.clone(), full);
        let (bus, _) = timed(if is_behind { behind } else { before });
        let _handler = bus.connect("a", |_: &u32| {}).unwrap();
        let delivery = bus.emit("a", 7_u32);
        assert_eq!((delivery.is_held(), delivery.called(), delivery.filtered()), (false, 0, Some("full")));
        assert_eq!(letters(&dead), expected);
    }
}

#[test]
fn validate_before_a_transform_sees_what_came_and_behind_it_what_is_made_of_it() {
    let trim = || Transform::new(|name: &String| name.trim().to_owned());
    let tidy = || Validate::<String>::new().rule("has space at its ends", |name| name.trim() == name);
    for (stack, called) in orders(tidy, trim).into_iter().zip([0, 1]) {
        let (bus, _) = timed(stack);
        let _names = bus.connect("name", |_: &String| {}).unwrap();
        assert_eq!(bus.emit("name", String::from(" anna ")).called(), called);
    }
}

#[test]
fn routes_do_not_circle_and_a_copy_is_a_duplicate_to_what_stands_behind() {
    let there_and_back = || (Route::to_topic("a", "b").unwrap(), Route::to_topic("b", "a").unwrap());
    let once = || Deduplicate::within(SECOND);
    for (stack, copies) in [
        (Stack::new().with(there_and_back()), vec!["a 1", "b 1"]),
        (Stack::new().with(once()).with(there_and_back()), vec!["a 1", "b 1"]),
        (Stack::new().with(there_and_back()).with(once()), vec!["a 1"]),
        // A copy that was held is still a copy, and is not sent back.
        (Stack::new().with(Debounce::new(SECOND)).with(there_and_back()), vec!["a 1", "b 1"]),
        (
            Stack::new()
                .with(Route::to_topic("a", "b").unwrap())
                .with(Debounce::new(SECOND))
                .with(Route::to_topic("b", "a").unwrap()),
            vec!["a 1", "b 1"],
        ),
    ] {
        let seen = Recorder::new();
        let (bus, _) = timed(stack);
        let _handlers = bus.connect("*", seen.events()).unwrap();
        bus.emit("a", 1_u32);
        bus.flush();
        assert_eq!(seen.take(), copies);
    }
}

#[test]
fn calls_are_counted_before_a_batch_when_they_are_made() {
    for stack in orders(Calls::new, || Batch::new(3, SECOND)) {
        let (bus, _) = timed(stack);
        let _handler = bus.connect("a", |_: &u32| {}).unwrap();
        let calls =
            || bus.inspect().connections().filter_map(|connection| connection.calls).map(|c| c.calls).sum::<u64>();
        (1..=2_u32).for_each(|n| drop(bus.emit("a", n)));
        assert_eq!(calls(), 0);
        bus.emit("a", 3_u32);
        assert_eq!(calls(), 3);
    }
}

#[test]
fn a_fault_before_a_batch_strikes_events_once_and_their_handlers_when_they_are_called() {
    let fault = Fault::seeded(7).duplicate(1.0).fail(1.0);
    let (bus, _) = timed(Stack::new().with(fault.clone()).with(Batch::new(9, SECOND)));
    let seen = Recorder::new();
    let _handler = bus.connect("a", seen.events()).unwrap();
    bus.emit("a", 1_u32);
    assert_eq!((fault.stats().duplicated, fault.stats().failed), (1, 0));
    bus.flush();
    assert_eq!((seen.take(), bus.failures()), (vec!["a 1".to_owned(); 2], 2));
    assert_eq!((fault.stats().duplicated, fault.stats().failed), (1, 2));
}

#[test]
fn sampling_before_a_batch_fills_it_with_samples_and_behind_it_takes_some_of_each() {
    for (stack, expected) in orders(|| Sample::one_in(2), || Batch::new(2, SECOND))
        .into_iter()
        .zip([["", "", "a 1, a 3", ""], ["", "a 1", "", "a 3"]])
    {
        let seen = Recorder::new();
        let (bus, _) = timed(stack);
        let _handler = bus.connect("a", seen.events()).unwrap();
        let at_once = [1, 2, 3, 4_u32].map(|n| {
            bus.emit("a", n);
            seen.take().join(", ")
        });
        assert_eq!(at_once, expected);
    }
}

#[cfg(feature = "governor")]
#[test]
fn sampling_before_a_rate_limit_samples_the_stream_and_behind_it_what_is_left_of_it() {
    use sigtree::middleware::RateLimit;
    for (stack, expected) in
        orders(|| Sample::one_in(3), || RateLimit::new(2, SECOND)).into_iter().zip([vec!["a 1", "a 4"], vec!["a 1"]])
    {
        let seen = Recorder::new();
        let (bus, _) = timed(stack);
        let _handler = bus.connect("a", seen.events()).unwrap();
        (1..=9_u32).for_each(|n| drop(bus.emit("a", n)));
        assert_eq!(seen.take(), expected);
    }
}

#[cfg(feature = "hdrhistogram")]
#[test]
fn latency_around_a_debounce_measures_handlers_and_not_the_wait() {
    use sigtree::middleware::Latency;
    for (is_behind, chain) in [(false, 3), (true, 1)] {
        let latency = Latency::new();
        let [before, behind] = orders(|| latency.clone(), || Debounce::new(5 * SECOND));
        let (bus, clock) = timed(if is_behind { behind } else { before });
        let work = clock.clone();
        let _handler = bus.connect("a", move |_: &u32| work.sleep(SECOND)).unwrap();
        (1..=3_u32).for_each(|n| drop(bus.emit("a", n)));
        clock.advance(9 * SECOND);
        let snapshot = latency.snapshot();
        assert_eq!((snapshot.chain.count, snapshot.handlers[0].1.count), (chain, 1));
        assert!(snapshot.chain.max < 2 * SECOND && snapshot.handlers[0].1.max < 2 * SECOND);
    }
}
