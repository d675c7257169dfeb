//! A request to a responder in this process, beside the usual way without a bus: a server behind a `Mutex` that sends its answer
//! into a channel made for it.

use std::hint::black_box;
use std::sync::{Mutex, mpsc};

use sigtree::{Bus, Question};

use crate::clock::{compare, each};
use crate::table::Table;

pub(crate) fn rows(table: &mut Table) {
    if !table.wants("request") {
        return;
    }
    let bus = Bus::new();
    let _replies = bus.reply("square", |n: &u64| n * n).expect("a good topic");
    let answers = |question: Question<u64, u64>| {
        let n = *question;
        question.answer(n * n);
    };
    let _later = bus.reply_later("later", answers).expect("a good topic");
    let server = Server::new(|n, answer| answer.send(n * n).unwrap_or_default());
    let [reply, later, direct] = compare([
        each(|| bus.request::<u64, u64>(black_box("square"), black_box(7)).wait()),
        each(|| bus.request::<u64, u64>(black_box("later"), black_box(7)).wait()),
        each(|| server.ask(black_box(7))),
    ]);
    table.ratio("request, to a closure in this thread", reply, direct, 2.0);
    table.ratio("request, to one that keeps the question", later, direct, 3.0);
}

type Serve = Box<dyn FnMut(u64, mpsc::Sender<u64>) + Send>;

/// One that answers, by turns.
struct Server(Mutex<Serve>);

impl Server {
    fn new(serve: impl FnMut(u64, mpsc::Sender<u64>) + Send + 'static) -> Self {
        Self(Mutex::new(Box::new(serve)))
    }

    fn ask(&self, n: u64) -> Option<u64> {
        let (answer, answered) = mpsc::channel();
        (self.0.lock().ok()?)(n, answer);
        answered.recv().ok()
    }
}
