//! Every form of handler and every way to write a pattern connects, and every connection knows where it was made.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sigtree::{Bus, Delivery, Event, Pattern, Receiver, Topic};
use support::Recorder;

#[test]
fn closures_of_every_form_return_nothing_or_a_result() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let list = || seen.clone();
    let (a, b, c, d) = (list(), list(), list(), list());
    let (e, f, g, h) = (list(), list(), list(), list());
    let _connections = [
        bus.connect("a", move |event: &Event<'_>| a.note(event.topic())).unwrap(),
        bus.connect("a", move |n: &u32| b.note(n)).unwrap(),
        bus.connect("a", move |n: &u32, event: &Event<'_>| c.note(format_args!("{} {n}", event.topic()))).unwrap(),
        bus.connect("a", move |n: Arc<u32>| d.note(format_args!("arc {n}"))).unwrap(),
        bus.connect("a", move |event: &Event<'_>| -> Result<(), String> {
            e.note(event.topic());
            Ok(())
        })
        .unwrap(),
        bus.connect("a", move |n: &u32| {
            f.note(n);
            Err("ref")
        })
        .unwrap(),
        bus.connect("a", move |n: &u32, _: &Event<'_>| {
            g.note(n);
            Err(std::io::Error::other("ref and event"))
        })
        .unwrap(),
        bus.connect("a", move |n: Arc<u32>| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            h.note(n);
            Err("arc".into())
        })
        .unwrap(),
    ];
    let delivery = bus.emit("a", 7_u32);
    assert_eq!(seen.take(), ["a", "7", "a 7", "arc 7", "a", "7", "7", "7"]);
    assert_eq!((delivery.called(), delivery.failed()), (8, 3));
    assert_eq!(causes(&delivery), ["ref", "ref and event", "arc"]);
}

static CALLS: AtomicU32 = AtomicU32::new(0);

fn by_event(event: &Event<'_>) {
    CALLS.fetch_add(event.payload::<u32>().copied().unwrap_or(1_000), Ordering::Relaxed);
}

fn by_ref(n: &u32) -> Result<(), String> {
    Err(format!("ref {n}"))
}

fn by_ref_and_event(n: &u32, event: &Event<'_>) -> Result<(), String> {
    Err(format!("{} {n}", event.topic()))
}

#[allow(clippy::needless_pass_by_value, reason = "a form of handler")]
fn by_arc(n: Arc<u32>) -> Result<(), String> {
    Err(format!("arc {n}"))
}

#[test]
fn functions_of_every_form() {
    let bus = Bus::new();
    let _connections = [
        bus.connect("a", by_event).unwrap(),
        bus.connect("a", by_ref).unwrap(),
        bus.connect("a", by_ref_and_event).unwrap(),
        bus.connect("a", by_arc).unwrap(),
    ];
    let delivery = bus.emit("a", 7_u32);
    assert_eq!(causes(&delivery), ["ref 7", "a 7", "arc 7"]);
    assert_eq!(CALLS.load(Ordering::Relaxed), 7);
}

#[test]
fn a_signal_takes_closures_without_types() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let signal = bus.signal::<u32>("a").unwrap();
    let (a, b, c) = (seen.clone(), seen.clone(), seen.clone());
    let _a = signal.connect(move |n| a.note(n)).unwrap();
    let _b = signal.connect_with(move |n, event| b.note(format_args!("{} {n}", event.topic()))).unwrap();
    let _c = signal.on().priority(1).connect(move |n: &u32| c.note(format_args!("first {n}"))).unwrap();
    signal.emit(7);
    assert_eq!(seen.take(), ["first 7", "7", "a 7"]);
}

#[test]
fn patterns_are_texts_topics_patterns_and_lists() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let mut n = 0;
    let mut handler = || {
        n += 1;
        seen.label(n)
    };
    let _connections = [
        bus.connect("a.b", handler()).unwrap(),
        bus.connect(String::from("a.*"), handler()).unwrap(),
        bus.connect(Topic::new("a.b").unwrap(), handler()).unwrap(),
        bus.connect(Pattern::regex("a\\.[a-z]").unwrap(), handler()).unwrap(),
        bus.connect(r"/[ax]\.b/", handler()).unwrap(),
        bus.connect("a.* | **.b", handler()).unwrap(),
        bus.connect(["a.b", "a.c"], handler()).unwrap(),
        bus.connect(vec!["x", "**"], handler()).unwrap(),
        bus.connect([Pattern::regex("x").unwrap(), Pattern::new("*.b").unwrap()], handler()).unwrap(),
    ];
    assert_eq!(bus.emit("a.b", 1_u32).called(), 9);
    assert_eq!(seen.take(), ["1", "3", "2", "4", "5", "6", "7", "8", "9"]);
    bus.emit("a.c", 1_u32);
    assert_eq!(seen.take(), ["2", "4", "6", "7", "8"]);
    bus.emit("x", 1_u32);
    assert_eq!(seen.take(), ["8", "9"]);
}

#[test]
fn a_list_is_one_connection_called_once() {
    let seen = Recorder::new();
    let bus = Bus::new();
    let list = bus.connect(["a.b", "a.*", "**", r"/.*/"], seen.events()).unwrap();
    assert_eq!(bus.connections(), 1);
    for n in 1..=3_u32 {
        assert_eq!(bus.emit("a.b", n).called(), 1);
    }
    assert_eq!(seen.take(), ["a.b 1", "a.b 2", "a.b 3"]);
    drop(list);
    assert_eq!(bus.emit("a.b", 4_u32).called(), 0);
    assert_eq!(bus.connections(), 0);
}

#[test]
fn bad_patterns_are_refused_with_a_mend() {
    let bus = Bus::new();
    for (pattern, message) in [
        ("a..b", "invalid pattern `a..b`: empty segment at byte 2: remove one dot"),
        ("", "invalid pattern ``: empty text: write at least one segment"),
        (
            "a.h*d",
            "invalid pattern `a.h*d`: `*` as a part of a segment at byte 3: write `*` for the whole segment, or use a regular expression",
        ),
    ] {
        let error = bus.connect(pattern, |_: &u32| {}).unwrap_err();
        assert!(error.is_bad_name());
        assert_eq!(error.to_string(), message);
    }
    assert_eq!(bus.connections(), 0);
}

struct Screen;

impl Screen {
    fn show(&self, n: &u32) -> Result<(), String> {
        Err(format!("cannot show {n}"))
    }
}

#[test]
fn failures_name_the_line_of_the_connect() {
    let bus = Bus::new();
    let signal = bus.signal::<u32>("a").unwrap();
    let (weak, receiver) = (Arc::new(Screen), Receiver::new(Screen));
    let first = line!() + 1;
    let _a = bus.connect("a", |_: &u32| Err("1")).unwrap();
    let _b = bus.on("a").named("second").connect(|_: &u32| Err("2")).unwrap();
    let _c = signal.connect(|_| Err("3")).unwrap();
    let _d = signal.connect_with(|_, _| Err("4")).unwrap();
    let _e = signal.on().connect(|_: &u32| Err("5")).unwrap();
    bus.connect_weak("a", &weak, Screen::show).unwrap();
    bus.on("a").connect_weak(&weak, Screen::show).unwrap();
    receiver.connect(&bus, "a", Screen::show).unwrap();
    let delivery = signal.emit(7);
    let sites: Vec<_> = delivery.failures().iter().map(|failure| failure.site.unwrap()).collect();
    let lines: Vec<_> = sites.iter().map(|site| site.line()).collect();
    assert_eq!(lines, (first..first + 8).collect::<Vec<_>>());
    assert!(sites.iter().all(|site| site.file().ends_with("connecting.rs")));
    let second = delivery.failures()[1].to_string();
    assert!(second.starts_with("handler of `a` named `second` (") && second.ends_with(") on `a`: 2"), "{second}");
}

fn causes(delivery: &Delivery) -> Vec<String> {
    delivery.failures().iter().map(|failure| failure.cause.to_string()).collect()
}
