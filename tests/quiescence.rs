//! After `disconnect_wait` returned, no call of the handler runs and none starts, whoever emits.

#[path = "support/crowd.rs"]
mod crowd;

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crowd::{CROWD, count};
use parking_lot::Mutex;
use sigtree::{Connection, Signal};

const PATIENCE: Duration = Duration::from_secs(60);

/// Something with a handler that can be taken out for good.
trait Quiet: Sync {
    type Link;

    fn connect(&self, handler: impl Fn() + Send + Sync + 'static) -> Self::Link;
    fn emit(&self);
    fn disconnect_wait(&self, link: Self::Link);
}

/// What happened to the handlers of some rounds.
#[derive(Debug, Default)]
struct Seen {
    calls: AtomicU64,
    /// Calls that ran when their handler had been taken out.
    late: AtomicU64,
}

/// Connects a handler and takes it out, again and again, while other threads emit.
fn rounds(quiet: &impl Quiet, rounds: u64) -> Arc<Seen> {
    let (seen, over) = (Arc::new(Seen::default()), AtomicBool::new(false));
    let emit = || {
        while !over.load(SeqCst) {
            quiet.emit();
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (1..CROWD).map(|_| scope.spawn(emit)).collect();
        for _ in 0..rounds {
            let (gone, seen) = (Arc::new(AtomicBool::new(false)), seen.clone());
            let (is_gone, before) = (gone.clone(), seen.calls.load(SeqCst));
            let noted = seen.clone();
            let link = quiet.connect(move || {
                noted.calls.fetch_add(1, SeqCst);
                noted.late.fetch_add(is_gone.load(SeqCst).into(), SeqCst);
                spin_loop();
                noted.late.fetch_add(is_gone.load(SeqCst).into(), SeqCst);
            });
            // A handler that was never called shows nothing; every fourth one is waited for.
            while before % 4 == 0 && seen.calls.load(SeqCst) == before {
                thread::yield_now();
            }
            quiet.disconnect_wait(link);
            gone.store(true, SeqCst);
        }
        over.store(true, SeqCst);
        // ThreadSanitizer sees a join, but not that the scope waits.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    seen
}

impl Quiet for Signal<u32> {
    type Link = Connection;

    fn connect(&self, handler: impl Fn() + Send + Sync + 'static) -> Connection {
        Signal::connect(self, move |_| handler()).unwrap()
    }

    fn emit(&self) {
        Signal::emit(self, 1);
    }

    fn disconnect_wait(&self, link: Connection) {
        link.disconnect_wait(PATIENCE).unwrap();
    }
}

#[test]
fn nothing_is_called_after_disconnect_wait() {
    let seen = rounds(&Signal::new(), count(20_000));
    assert!(seen.calls.load(SeqCst) > 0);
    assert_eq!(seen.late.load(SeqCst), 0, "{seen:?}");
}

#[test]
fn nothing_is_called_after_disconnect_wait_while_others_stay() {
    let signal = Signal::new();
    let others: Vec<_> = (0..40).map(|_| signal.connect(|_: &u32| {}).unwrap()).collect();
    let seen = rounds(&signal, count(5_000));
    assert_eq!(seen.late.load(SeqCst), 0, "{seen:?}");
    assert_eq!(signal.emit(1).called(), others.len());
}

/// The mistake: a flag tells emits that come later, and nobody waits for one that has looked at it already.
///
/// The first emit that meets a handler stands between its look at the flag and the call until the next `connect`.
struct Flagged {
    handler: Mutex<Option<Handler>>,
    tricked: AtomicBool,
    looked: (SyncSender<()>, Mutex<Receiver<()>>),
    go: (SyncSender<()>, Mutex<Receiver<()>>),
}

type Handler = (Arc<AtomicBool>, Arc<dyn Fn() + Send + Sync>);

impl Flagged {
    fn new() -> Self {
        let channel = || {
            let (sender, receiver) = sync_channel(1);
            (sender, Mutex::new(receiver))
        };
        Self { handler: Mutex::default(), tricked: AtomicBool::new(false), looked: channel(), go: channel() }
    }
}

impl Quiet for Flagged {
    type Link = bool;

    fn connect(&self, handler: impl Fn() + Send + Sync + 'static) -> bool {
        let is_first = !self.tricked.load(SeqCst);
        if !is_first {
            self.go.0.try_send(()).unwrap_or_default();
        }
        *self.handler.lock() = Some((Arc::new(AtomicBool::new(true)), Arc::new(handler)));
        is_first
    }

    fn emit(&self) {
        let Some((alive, handler)) = self.handler.lock().clone() else { return };
        if alive.load(SeqCst) {
            if !self.tricked.swap(true, SeqCst) {
                self.looked.0.send(()).unwrap();
                self.go.1.lock().recv_timeout(PATIENCE).unwrap();
            }
            handler();
        }
    }

    fn disconnect_wait(&self, is_first: bool) {
        if is_first {
            self.looked.1.lock().recv_timeout(PATIENCE).unwrap();
        }
        if let Some((alive, _)) = &*self.handler.lock() {
            alive.store(false, SeqCst);
        }
    }
}

#[test]
fn a_flag_alone_does_not_do() {
    let seen = rounds(&Flagged::new(), 2);
    assert!(seen.late.load(SeqCst) > 0, "{seen:?}");
}
