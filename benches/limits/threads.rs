//! Two threads on one signal: throughput against one thread.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

use sigtree::{Bus, Receiver};

use crate::clock::median;
use crate::table::Table;
use crate::tracks::{Bare, TRACK, Track, see};

struct Screen;

impl Screen {
    fn show(&self, track: &Track) {
        see(track);
    }
}

pub(crate) fn rows(table: &mut Table) {
    if !table.wants("threads") {
        return;
    }
    for n in [1, 10] {
        let bus = Bus::new();
        let signal = bus.signal::<Track>("radar.track").expect("a good topic");
        let _connections: Vec<_> = (0..n).map(|_| signal.connect(see).expect("good")).collect();
        let bare = Bare::new(n);
        let bare = scaling(|| bare.emit(black_box(&TRACK)));
        let ours = scaling(|| signal.emit(black_box(&TRACK)));
        table.least(&format!("two threads on one signal, {n} closures"), ours, bare, "x", 1.9);

        let bus = Bus::new();
        let signal = bus.signal::<Track>("radar.track").expect("a good topic");
        let screen = Receiver::new(Screen);
        for _ in 0..n {
            screen.connect(&bus, "radar.track", Screen::show).expect("good");
        }
        let ours = scaling(|| signal.emit(black_box(&TRACK)));
        table.least(&format!("two threads on one signal, Receiver, {n} methods"), ours, bare, "x", 1.9);
    }
}

const EMITS: usize = 20_000;

/// Emits per second of two threads over those of one; the median of pairs taken in turns.
fn scaling<R>(emit: impl Fn() -> R + Sync) -> f64 {
    let ratios = (0..101).map(|_| per_second(&emit, 2) / per_second(&emit, 1)).collect();
    median(ratios)
}

fn per_second<R>(emit: &(impl Fn() -> R + Sync), threads: usize) -> f64 {
    let barrier = Barrier::new(threads);
    let took: f64 = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let start = Instant::now();
                    for _ in 0..EMITS {
                        black_box(emit());
                    }
                    start.elapsed().as_secs_f64()
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("no panic")).sum::<f64>() / threads as f64
    });
    threads as f64 * EMITS as f64 / took
}
