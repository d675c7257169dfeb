//! A system: a radar and its electronic warfare side. The radar sends intelligence, the other side sends back what it does about it, and
//! neither ever waits for the other: what finds no place is dropped, said, and counted.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sigtree::{Bus, End, Flow, Link, LinkSendError, Overflow, Queue, RecvError, Subscription, Transport};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Intelligence {
    frame: u32,
    /// Track and priority.
    threats: Vec<(u32, u8)>,
}

#[derive(Debug, PartialEq)]
struct Feedback {
    jammed: Vec<u32>,
}

fn intelligence(frame: u32) -> Intelligence {
    Intelligence { frame, threats: vec![(frame, (frame % 10) as u8)] }
}

struct Radar {
    ew: End<Intelligence, Feedback>,
    jammed: Vec<u32>,
}

impl Radar {
    /// Tells of a frame, and takes what the other side did meanwhile; whether the frame was sent.
    fn frame(&mut self, frame: u32) -> bool {
        let sent = self.ew.send(intelligence(frame)).is_ok();
        if let Ok(feedback) = self.ew.try_recv() {
            self.jammed.extend(feedback.jammed);
        }
        sent
    }
}

struct Ew {
    radar: End<Feedback, Intelligence>,
}

impl Ew {
    /// Answers one frame, if one is there; whether it was.
    fn process(&self) -> bool {
        let Ok(frame) = self.radar.try_recv() else { return false };
        let jammed: Vec<_> = frame.threats.iter().filter(|(_, priority)| *priority >= 8).map(|(id, _)| *id).collect();
        if !jammed.is_empty() {
            // A radar that is behind misses it, and the statistics tell.
            let _ = self.radar.send(Feedback { jammed });
        }
        true
    }
}

fn system() -> (Radar, Ew) {
    let (radar, ew) = Link::named("radar", "ew").ends();
    (Radar { ew: radar, jammed: Vec::new() }, Ew { radar: ew })
}

#[test]
fn frames_go_there_and_what_was_done_comes_back() {
    let (mut radar, ew) = system();
    for frame in 0..10 {
        assert!(radar.frame(frame));
        assert!(ew.process());
    }
    assert!(radar.frame(10), "the feedback on the ninth is taken now");
    assert_eq!(radar.jammed, [8, 9]);
    assert!(radar.ew.try_recv().unwrap_err().is_empty());
}

#[test]
fn a_side_that_is_stopped_costs_the_radar_frames_and_never_time() {
    let (mut radar, ew) = system();
    // In one thread, and it ends: nobody could have taken anything meanwhile.
    let sent = (0..1_000).filter(|frame| radar.frame(*frame)).count();
    assert_eq!(sent, 100);
    let stats = radar.ew.stats();
    assert_eq!((stats.out.sent, stats.out.received, stats.out.dropped, stats.out.queue_size), (1_000, 0, 900, 100));
    assert_eq!(stats.out.drop_rate, 0.9);

    while ew.process() {}
    let stats = radar.ew.stats();
    assert_eq!((stats.out.sent, stats.out.received, stats.out.dropped, stats.out.queue_size), (1_000, 100, 900, 0));
    assert!(radar.frame(1_000), "there is place again");
}

#[test]
fn what_was_dropped_is_handed_back() {
    let (radar, _ew) = Link::<Intelligence, Feedback>::with("radar", "ew", 1, 1).ends();
    radar.send(intelligence(1)).unwrap();
    let dropped = radar.send(intelligence(2)).unwrap_err();
    assert!(dropped.is_full());
    assert_eq!(
        dropped.to_string(),
        "the queue is full: the other side is behind; drop the message, or wait with `send_timeout`"
    );
    assert_eq!(dropped.into_message().frame, 2);
    assert!(radar.send_timeout(intelligence(3), Duration::from_millis(1)).unwrap_err().is_full());
}

#[test]
fn statistics_mean_the_same_on_both_sides() {
    let (mut radar, ew) = system();
    for frame in 0..50 {
        radar.frame(frame);
        ew.process();
    }
    let (ours, theirs) = (radar.ew.stats(), ew.radar.stats());
    assert_eq!((&*ours.backend, ours.running), ("queue", true));
    assert_eq!((ours.out, ours.back), (theirs.back, theirs.out));
    assert_eq!((ours.out.sent, ours.out.received, ours.out.drop_rate), (50, 50, 0.0));
    assert_eq!((ours.back.sent, ours.back.received, ours.back.queue_size), (10, 9, 1));
    drop(ew);
    assert!(!radar.ew.stats().running);
    assert!(radar.ew.send(intelligence(50)).unwrap_err().is_closed());
}

#[test]
fn threads_on_both_sides_lose_nothing_that_was_sent() {
    let (mut radar, ew) = system();
    let (waits, waiting) = mpsc::channel();
    let ew = thread::spawn(move || {
        waits.send(()).unwrap();
        let mut frames = Vec::new();
        // It sleeps until there is one, and the end of the radar's side is its own.
        while let Ok(frame) = ew.radar.recv_timeout(MINUTE) {
            frames.push(frame.frame);
        }
        frames
    });
    waiting.recv().unwrap();
    let sent: Vec<_> = (0..10_000).filter(|frame| radar.frame(*frame)).collect();
    drop(radar);
    assert_eq!(ew.join().unwrap(), sent, "all that were sent, in order");
}

/// A stand-in for a broker: a bus that both sides know, with a topic for each direction.
struct Broker {
    bus: Bus,
    topic: &'static str,
    queue: Subscription<Frame>,
}

/// What a broker carries is not what the parties speak of.
type Frame = (u32, Vec<(u32, u8)>);

impl Broker {
    fn new(bus: &Bus, topic: &'static str) -> Self {
        let queue = bus.on(topic).queue(Queue::bounded(2).overflow(Overflow::Error)).subscribe().unwrap();
        Self { bus: bus.clone(), topic, queue }
    }
}

impl Transport<Intelligence> for Broker {
    fn name(&self) -> &str {
        "broker"
    }

    fn send(&self, message: Intelligence, timeout: Duration) -> Result<(), LinkSendError<Intelligence>> {
        let Intelligence { frame, threats } = message;
        let sent = self.bus.emit_timeout(self.topic, (frame, threats.clone()), timeout);
        sent.map(drop).map_err(|error| match error.is_shutting_down() {
            true => LinkSendError::closed(Intelligence { frame, threats }),
            false => LinkSendError::full(Intelligence { frame, threats }),
        })
    }

    fn recv(&self, timeout: Duration) -> Result<Intelligence, RecvError> {
        match self.queue.recv_timeout(timeout) {
            Ok(frame) => Ok(Intelligence { frame: frame.0, threats: frame.1.clone() }),
            Err(error) if error.is_closed() => Err(RecvError::closed()),
            Err(_) => Err(RecvError::empty()),
        }
    }

    fn close(&self) {
        let _ = self.bus.shutdown(Duration::ZERO);
    }

    fn is_closed(&self) -> bool {
        self.bus.is_shut_down()
    }

    fn flow(&self) -> Flow {
        let stats = self.queue.stats();
        Flow::of(stats.received, stats.dropped(), stats.depth as u64)
    }
}

#[test]
fn a_broker_takes_the_place_of_the_queue_and_nobody_else_changes() {
    let broker = Bus::new();
    let there = Broker::new(&broker, "defense.intel");
    let back = Broker::new(&broker, "defense.feedback");
    let (radar, ew) = Link::over("radar", "ew", there, back).ends();
    let sent: Vec<_> = (0..3).map(|frame| radar.send(intelligence(frame)).is_ok()).collect();
    assert_eq!(sent, [true, true, false]);
    assert_eq!(ew.try_recv().unwrap().frame, 0);
    let stats = radar.stats();
    assert_eq!((&*stats.backend, stats.out.sent, stats.out.received, stats.out.dropped), ("broker", 3, 1, 1));
    drop(radar);
    assert_eq!(ew.try_recv().unwrap().frame, 1, "what waits is still taken");
    assert!(ew.try_recv().unwrap_err().is_closed());
}
