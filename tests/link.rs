//! Two parties, two bounded queues: neither waits for the other, and what is dropped is handed back and counted.

use std::collections::VecDeque;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use sigtree::{End, Flow, Link, LinkSendError, RecvError, Transport};

const MINUTE: Duration = Duration::from_secs(60);

fn pair() -> (End<u32, String>, End<String, u32>) {
    Link::named("radar", "ew").ends()
}

/// The moments between a look at the queue and the look whether it is closed are short.
const ROUNDS: u32 = if cfg!(miri) { 20 } else { 500 };

#[test]
fn messages_go_both_ways_in_order() {
    let (radar, ew) = pair();
    (0..3).for_each(|n| radar.send(n).unwrap());
    ew.send("jam".to_owned()).unwrap();
    assert_eq!((0..3).map(|_| ew.try_recv().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(radar.try_recv().unwrap(), "jam");
    assert!(
        ew.try_recv().unwrap_err().is_empty() && radar.recv_timeout(Duration::from_millis(1)).unwrap_err().is_empty()
    );
    assert_eq!((radar.name(), ew.name()), ("radar", "ew"));
}

#[test]
fn a_stopped_side_costs_the_other_nothing() {
    let (radar, ew) = pair();
    let sent = (0..1_000).filter(|n| radar.send(*n).is_ok()).count();
    assert_eq!(sent, 100);
    let error = radar.send(7).unwrap_err();
    assert!(error.is_full());
    assert!(error.to_string().starts_with("the queue is full: the other side is behind;"), "{error}");
    assert_eq!(error.into_message(), 7);
    assert!(radar.send_timeout(8, Duration::from_millis(1)).unwrap_err().is_full());

    while ew.try_recv().is_ok() {}
    let stats = radar.stats();
    assert_eq!((&*stats.backend, stats.running), ("queue", true));
    assert_eq!((stats.out.sent, stats.out.received, stats.out.dropped, stats.out.queue_size), (1_002, 100, 902, 0));
    assert!((stats.out.drop_rate - 902.0 / 1_002.0).abs() < 1e-9);
    assert_eq!(ew.stats().back, stats.out);
    assert_eq!(
        stats.to_string(),
        "queue, running; out: 1002 sent, 100 received, 902 dropped, 0 waiting; back: 0 sent, 0 received, 0 dropped, 0 waiting"
    );
}

#[test]
fn who_waits_is_woken() {
    let (radar, ew) = Link::<u32, u32>::with("a", "b", 1, 1).ends();
    let echo = thread::spawn(move || {
        while let Ok(n) = ew.recv_timeout(MINUTE) {
            ew.send_timeout(n * 2, MINUTE).unwrap();
        }
    });
    for n in 0..1_000 {
        radar.send_timeout(n, MINUTE).unwrap();
        assert_eq!(radar.recv_timeout(MINUTE).unwrap(), n * 2);
    }
    drop(radar);
    echo.join().unwrap();
}

#[test]
fn a_side_that_is_gone_is_told_of_when_what_waits_was_taken() {
    let (radar, ew) = pair();
    radar.send(1).unwrap();
    let clone = radar.clone();
    drop(radar);
    assert!(ew.stats().running);
    drop(clone);
    assert!(ew.send("late".to_owned()).unwrap_err().is_closed());
    assert_eq!(ew.recv_timeout(MINUTE).unwrap(), 1);
    assert!(ew.recv_timeout(MINUTE).unwrap_err().is_closed() && ew.try_recv().unwrap_err().is_closed());
    assert!(!ew.stats().running);
}

#[test]
fn who_waits_for_a_place_is_told_when_the_other_side_goes() {
    let (radar, ew) = Link::<u32, u32>::with("a", "b", 1, 1).ends();
    radar.send(1).unwrap();
    let sends = thread::spawn(move || radar.send_timeout(2, MINUTE).unwrap_err());
    thread::yield_now();
    drop(ew);
    let error = sends.join().unwrap();
    assert!(error.is_closed(), "{error}");
    assert_eq!((error.to_string().as_str(), error.into_message()), ("the other side is gone", 2));
}

/// A broker of the user's own: it keeps what it is given, and counts by itself.
struct Broker<M>(Mutex<Kept<M>>);

struct Kept<M> {
    waiting: VecDeque<M>,
    received: u64,
    dropped: u64,
    closed: bool,
}

impl<M> Broker<M> {
    fn new() -> Self {
        Self(Mutex::new(Kept { waiting: VecDeque::new(), received: 0, dropped: 0, closed: false }))
    }
}

impl<M: Send> Transport<M> for Broker<M> {
    fn name(&self) -> &str {
        "broker"
    }

    fn send(&self, message: M, _timeout: Duration) -> Result<(), LinkSendError<M>> {
        let mut kept = self.0.lock();
        if kept.closed {
            return Err(LinkSendError::closed(message));
        }
        if kept.waiting.len() == 2 {
            kept.dropped += 1;
            return Err(LinkSendError::full(message));
        }
        kept.waiting.push_back(message);
        Ok(())
    }

    fn recv(&self, _timeout: Duration) -> Result<M, RecvError> {
        let mut kept = self.0.lock();
        let none = if kept.closed { RecvError::closed() } else { RecvError::empty() };
        let message = kept.waiting.pop_front().ok_or(none)?;
        kept.received += 1;
        Ok(message)
    }

    fn close(&self) {
        self.0.lock().closed = true;
    }

    fn is_closed(&self) -> bool {
        self.0.lock().closed
    }

    fn flow(&self) -> Flow {
        let kept = self.0.lock();
        Flow::of(kept.received, kept.dropped, kept.waiting.len() as u64)
    }
}

#[test]
fn a_transport_of_ones_own_takes_the_place_of_the_queue() {
    let (radar, ew) = Link::<u32, String>::over("radar", "ew", Broker::new(), Broker::new()).ends();
    let full = (0..4).filter_map(|n| radar.send(n).err()).map(LinkSendError::into_message).collect::<Vec<_>>();
    assert_eq!((full, ew.try_recv().unwrap()), (vec![2, 3], 0));
    ew.send_timeout("jam".to_owned(), MINUTE).unwrap();
    assert_eq!(radar.recv_timeout(MINUTE).unwrap(), "jam");
    let stats = ew.stats();
    assert_eq!(
        (&*stats.backend, stats.running, stats.out, stats.back),
        ("broker", true, Flow::of(1, 0, 0), Flow::of(1, 2, 1))
    );
    assert_eq!((stats.back.sent, stats.back.drop_rate), (4, 0.5));
    drop(radar);
    assert!(ew.send("late".to_owned()).unwrap_err().is_closed() && !ew.stats().running);
    assert_eq!(ew.try_recv().unwrap(), 1);
    assert!(ew.try_recv().unwrap_err().is_closed());
}

#[test]
fn nobody_is_told_of_the_end_while_a_message_waits() {
    for n in 0..ROUNDS {
        let (left, right) = Link::<u32, u32>::named("left", "right").ends();
        let sender = thread::spawn(move || left.send(n).unwrap());
        let received = loop {
            match right.try_recv() {
                Ok(message) => break Some(message),
                Err(error) if error.is_closed() => break None,
                Err(_) => {}
            }
        };
        sender.join().unwrap();
        assert_eq!(received, Some(n));
    }
}
