//! What each piece does by itself: to a list of events that come by, and to the call of a handler.
//!
//! A pair is one after the other; nothing here knows of pairs.

use std::collections::HashMap;
use std::time::Duration;

use crate::pieces::Piece;
use crate::script::{
    APART, BATCH, CLOSED, DEADLINE, END, INTERVAL, OPEN, Outcome, QUIET, RATE, TRIES, WINDOW, fails, ms, script,
    turn_after,
};

/// An event at a place of the stack.
#[derive(Debug, Clone)]
pub(crate) struct Passing {
    at: Duration,
    topic: &'static str,
    n: u32,
    tied: bool,
    deadline: Option<Duration>,
    /// What number it was at the places before.
    was: Vec<u32>,
    /// At which places it was held.
    held: Vec<usize>,
}

/// What a list of events becomes: those that go on, by the time they do, and those that are ended.
type Fate = (Vec<Passing>, Vec<(Passing, &'static str)>);

pub(crate) fn outcome(pair: [Piece; 2]) -> Outcome {
    let emitted = |(at, topic, n)| Passing { at, topic, n, tied: false, deadline: None, was: vec![], held: vec![] };
    let mut stages = vec![script().into_iter().map(emitted).collect::<Vec<_>>()];
    let mut ended = Vec::new();
    for (place, piece) in pair.into_iter().enumerate() {
        let came: Vec<Passing> = stages[place].iter().map(Passing::came_by).collect();
        let (passed, refused) = flow(piece, place, &came);
        stages.push(passed);
        ended.push(refused);
    }
    let mut world = World::of(pair);
    stages[2].iter().for_each(|event| world.deliver(event));
    let pieces = [0, 1].map(|place| world.told_by(place, &stages, &ended));
    Outcome { handlers: world.handlers, failures: world.failures, at_once: world.at_once, pieces }
}

impl Passing {
    /// The same when the next piece sees it.
    fn came_by(&self) -> Self {
        let mut event = self.clone();
        event.was.push(event.n);
        event
    }

    fn was_held_behind(&self, place: usize) -> bool {
        self.held.iter().any(|held| *held >= place)
    }
}

fn flow(piece: Piece, place: usize, came: &[Passing]) -> Fate {
    let hold = |passed: Vec<(Duration, Passing)>| (held(place, passed), vec![]);
    match piece {
        Piece::Filter => judge(came, "filtered", |event| !event.n.is_multiple_of(5) && !CLOSED.contains(&event.at)),
        Piece::Validate => judge(came, "too large", |event| event.n < 100),
        Piece::Tower => judge(came, "a multiple of seven", |event| !event.n.is_multiple_of(7)),
        Piece::Scoped => judge(came, "odd", |event| event.topic != "b" || event.n.is_multiple_of(2)),
        Piece::Deduplicate => deduplicate(came),
        Piece::Sample => sample(came),
        Piece::Throttle => bucket(came, 1, APART, "throttled"),
        Piece::RateLimit => bucket(came, RATE.0, RATE.1 / RATE.0, "rate limited"),
        Piece::Debounce => hold(debounce(came)),
        Piece::Latest => latest(came, place),
        Piece::Batch => hold(batch(came)),
        Piece::Offload => hold(offload(came)),
        Piece::Transform => each(came, |event| vec![Passing { n: event.n + 1, ..event }]),
        Piece::Correlation => each(came, |event| vec![Passing { tied: true, ..event }]),
        Piece::Timeout => each(came, |event| {
            let deadline = Some(event.deadline.unwrap_or(event.at + DEADLINE));
            vec![Passing { deadline, ..event }]
        }),
        Piece::Fault => each(came, |event| vec![event.clone(), event]),
        Piece::Route => each(came, |event| match event.topic {
            "a" => vec![event.clone(), Passing { topic: "b", ..event }],
            _ => vec![event],
        }),
        Piece::Retry | Piece::CircuitBreaker | Piece::DeadLetter => (came.to_vec(), vec![]),
        Piece::Calls | Piece::Counters | Piece::History | Piece::Inspect => (came.to_vec(), vec![]),
        Piece::Latency | Piece::Metrics | Piece::Trace => (came.to_vec(), vec![]),
    }
}

fn each(came: &[Passing], becomes: impl Fn(Passing) -> Vec<Passing>) -> Fate {
    (came.iter().cloned().flat_map(becomes).collect(), vec![])
}

fn judge(came: &[Passing], reason: &'static str, mut passes: impl FnMut(&Passing) -> bool) -> Fate {
    let (passed, ended): (Vec<_>, Vec<_>) = came.iter().cloned().partition(|event| passes(event));
    (passed, ended.into_iter().map(|event| (event, reason)).collect())
}

fn deduplicate(came: &[Passing]) -> Fate {
    let mut first = HashMap::new();
    judge(came, "duplicate", |event| match first.get(&event.n) {
        Some(at) if event.at < *at + WINDOW => false,
        _ => {
            first.insert(event.n, event.at);
            true
        }
    })
}

fn sample(came: &[Passing]) -> Fate {
    let mut count = HashMap::new();
    judge(came, "not sampled", |event| {
        let count: &mut u32 = count.entry(event.topic).or_default();
        *count += 1;
        *count % 2 == 1
    })
}

/// A bucket for each topic that holds so many tokens and gets a new one each interval.
fn bucket(came: &[Passing], size: u32, interval: Duration, reason: &'static str) -> Fate {
    let mut buckets = HashMap::new();
    judge(came, reason, |event| {
        let (level, at) = buckets.entry(event.topic).or_insert((interval * size, event.at));
        *level = (interval * size).min(*level + (event.at - *at));
        *at = event.at;
        let passes = *level >= interval;
        *level -= if passes { interval } else { Duration::ZERO };
        passes
    })
}

/// Held events in the order they are due; at the end the others go on too.
fn held(place: usize, mut due: Vec<(Duration, Passing)>) -> Vec<Passing> {
    due.sort_by_key(|(due, _)| *due);
    let go_on = |(due, mut event): (Duration, Passing)| {
        event.at = due.min(END);
        event.held.push(place);
        event
    };
    due.into_iter().map(go_on).collect()
}

/// An event goes on after the quiet, unless another one of its topic comes before that.
fn debounce(came: &[Passing]) -> Vec<(Duration, Passing)> {
    let is_last = |i: usize, event: &Passing| {
        let next = came[i + 1..].iter().find(|next| next.topic == event.topic);
        next.is_none_or(|next| next.at > event.at + QUIET)
    };
    let last = came.iter().enumerate().filter(|(i, event)| is_last(*i, event));
    last.map(|(_, event)| (event.at + QUIET, event.clone())).collect()
}

/// Of each topic's events, in threes, or as many as came in time after a first one.
fn batch(came: &[Passing]) -> Vec<(Duration, Passing)> {
    let (size, time) = BATCH;
    let mut batches: Vec<(Duration, Vec<Passing>)> = Vec::new();
    for event in came {
        let fits = |(due, batch): &(Duration, Vec<Passing>)| {
            batch[0].topic == event.topic && batch.len() < size && event.at < *due
        };
        match batches.iter().position(fits) {
            Some(i) => {
                batches[i].1.push(event.clone());
                // Of those that are full at one time, the one that was so first goes first.
                if batches[i].1.len() == size {
                    let (_, batch) = batches.remove(i);
                    batches.push((event.at, batch));
                }
            }
            None => batches.push((event.at + time, vec![event.clone()])),
        }
    }
    batches.into_iter().flat_map(|(due, batch)| batch.into_iter().map(move |event| (due, event))).collect()
}

/// At the next turn all that came since the last one, the newest first.
fn offload(came: &[Passing]) -> Vec<(Duration, Passing)> {
    came.iter().rev().map(|event| (turn_after(event.at), event.clone())).collect()
}

/// Of each topic, the first at once, and the newest at the end of each interval in which one came.
fn latest(came: &[Passing], place: usize) -> Fate {
    // At one time, those go on first whose topic had something to hold first.
    let mut due: Vec<((Duration, usize), bool, Passing)> = Vec::new();
    for topic in ["a", "b"] {
        let mut interval: Option<(Duration, Option<(usize, Passing)>)> = None;
        for (place, event) in came.iter().enumerate().filter(|(_, event)| event.topic == topic) {
            while let Some((end, newest)) = interval.take_if(|(end, _)| *end <= event.at) {
                interval = newest.map(|(first, newest)| {
                    due.push(((end, first), true, newest));
                    (end + INTERVAL, None)
                });
            }
            match &mut interval {
                None => {
                    due.push(((event.at, place), false, event.clone()));
                    interval = Some((event.at + INTERVAL, None));
                }
                Some((_, Some((_, newest)))) => *newest = event.clone(),
                Some((_, newest)) => *newest = Some((place, event.clone())),
            }
        }
        if let Some((end, Some((first, newest)))) = interval {
            due.push(((end, first), true, newest));
        }
    }
    due.sort_by_key(|(due, ..)| *due);
    let go_on = |((due, _), was_held, mut event): ((Duration, usize), bool, Passing)| {
        event.at = due.min(END);
        event.held.extend(was_held.then_some(place));
        event
    };
    (due.into_iter().map(go_on).collect(), vec![])
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Done,
    Failed,
    Skipped,
}

/// Everything that has a memory of calls.
struct World {
    pair: [Piece; 2],
    handlers: Vec<String>,
    failures: u64,
    at_once: usize,
    calls_of_number: HashMap<u32, u32>,
    /// How often the handler was called in this pass.
    attempts: u32,
    /// What each piece saw of calls.
    seen: [Seen; 2],
}

#[derive(Default)]
struct Seen {
    called: u64,
    failed: u64,
    skipped: u64,
    late: u64,
    /// Calls again, recovered, given up.
    retries: [u64; 3],
    /// Of each handler: failures in a row, and until when it is left alone.
    circuits: [(u32, Option<Duration>); 2],
    letters: Vec<String>,
    /// Calls in the time of the piece's own call.
    called_inside: u64,
}

impl World {
    fn of(pair: [Piece; 2]) -> Self {
        let (handlers, failures, at_once, calls_of_number) = Default::default();
        Self { pair, handlers, failures, at_once, calls_of_number, attempts: 0, seen: Default::default() }
    }

    fn deliver(&mut self, event: &Passing) {
        for handler in 0..2 {
            self.attempts = 0;
            let answer = self.call(0, handler, event);
            if answer != Answer::Skipped {
                self.at_once += usize::from(event.held.is_empty());
                for place in 0..2 {
                    self.seen[place].called_inside += u64::from(!event.was_held_behind(place));
                }
            }
            self.failures += u64::from(answer == Answer::Failed);
        }
    }

    /// A handler's call, through the pieces from this place on.
    fn call(&mut self, place: usize, handler: usize, event: &Passing) -> Answer {
        let Some(piece) = self.pair.get(place) else { return self.handle(handler, event) };
        let answer = match piece {
            Piece::Retry => self.retry(place, handler, event),
            Piece::CircuitBreaker => self.breaker(place, handler, event),
            _ => self.call(place + 1, handler, event),
        };
        let (n, attempts) = (event.was[place], self.attempts);
        let seen = &mut self.seen[place];
        match answer {
            Answer::Skipped => seen.skipped += 1,
            Answer::Done => seen.called += 1,
            Answer::Failed => {
                seen.called += 1;
                seen.failed += 1;
                seen.letters.push(format!("{n} failed: no, {attempts}"));
            }
        }
        if answer == Answer::Skipped && attempts == 0 {
            seen.letters.push(format!("{n} left out: the circuit is open, 0"));
        }
        seen.late += u64::from(answer != Answer::Skipped && event.deadline.is_some_and(|due| event.at > due));
        answer
    }

    fn handle(&mut self, handler: usize, event: &Passing) -> Answer {
        self.attempts += 1;
        let Passing { at, topic, n, tied, deadline, .. } = event;
        let calls = self.calls_of_number.entry(*n).or_default();
        let failed = handler == 1 && fails(*n, *calls);
        *calls += u32::from(handler == 1);
        self.handlers.push(line_of_call(handler, *at, topic, *n, *tied, *deadline));
        if failed { Answer::Failed } else { Answer::Done }
    }

    fn retry(&mut self, place: usize, handler: usize, event: &Passing) -> Answer {
        let mut answer = self.call(place + 1, handler, event);
        if answer != Answer::Failed {
            return answer;
        }
        let is_in_time = event.deadline.is_none_or(|due| event.at < due);
        for _ in 0..if is_in_time { TRIES } else { 0 } {
            match self.call(place + 1, handler, event) {
                Answer::Skipped => break,
                again => answer = again,
            }
            self.seen[place].retries[0] += 1;
            if answer == Answer::Done {
                self.seen[place].retries[1] += 1;
                return answer;
            }
        }
        self.seen[place].retries[2] += 1;
        answer
    }

    fn breaker(&mut self, place: usize, handler: usize, event: &Passing) -> Answer {
        let (most, pause) = OPEN;
        let (failures, until) = self.seen[place].circuits[handler];
        if until.is_some_and(|until| event.at < until) {
            return Answer::Skipped;
        }
        let answer = self.call(place + 1, handler, event);
        self.seen[place].circuits[handler] = match answer {
            Answer::Done => (0, None),
            Answer::Failed if until.is_some() || failures + 1 == most => (0, Some(event.at + pause)),
            Answer::Failed => (failures + 1, None),
            Answer::Skipped => (failures, until),
        };
        answer
    }

    /// What the piece at a place tells, at the end.
    fn told_by(&self, place: usize, stages: &[Vec<Passing>], ended: &[Vec<(Passing, &'static str)>]) -> Vec<String> {
        let (came, went) = (&stages[place], &stages[place + 1]);
        let seen = &self.seen[place];
        let ended_behind = ended.get(place + 1).map_or(&[][..], |ended| ended);
        let ([called, failed, skipped], late) = ([seen.called, seen.failed, seen.skipped], seen.late);
        match self.pair[place] {
            Piece::Filter | Piece::Scoped | Piece::Transform | Piece::Correlation => vec![],
            Piece::Validate => vec![format!("refused {}", ended[place].len())],
            Piece::Tower => vec![format!("called {}", seen.called_inside)],
            Piece::Deduplicate | Piece::Sample | Piece::Throttle | Piece::RateLimit => {
                vec![format!("passed {}, dropped {}", went.len(), came.len() - went.len())]
            }
            Piece::Debounce | Piece::Latest | Piece::Batch | Piece::Offload => {
                vec![format!("passed {}, dropped {}", went.len(), came.len() - went.len())]
            }
            Piece::Timeout => vec![format!("late {late}")],
            Piece::Fault => vec![format!("duplicated {}", came.len())],
            Piece::Route => vec![format!("sent {}", went.len() - came.len())],
            Piece::Retry => vec![format!("again, recovered, given up: {:?}", seen.retries)],
            Piece::CircuitBreaker => {
                let open = seen.circuits.iter().filter(|(_, until)| until.is_some()).count();
                vec![format!("left out {skipped}, open {open}")]
            }
            Piece::DeadLetter => {
                let refused = ended_behind.iter();
                let refused = refused.map(|(event, reason)| format!("{} refused: {reason}, 0", event.was[place]));
                let mut letters: Vec<_> = seen.letters.iter().cloned().chain(refused).collect();
                letters.sort();
                letters
            }
            Piece::Calls => vec![format!("called {called}, failed {failed}")],
            Piece::Counters => vec![format!(
                "emitted {}, called {called}, failed {failed}, skipped {skipped}, filtered {}",
                came.len(),
                ended_behind.len()
            )],
            Piece::Latency => vec![format!("chain {}, calls {called}", came.len())],
            Piece::Metrics => vec![format!(
                "emitted {}, called {called}, failed {failed}, dropped {}",
                came.len(),
                ended_behind.len()
            )],
            Piece::Trace => {
                let again = stages[2].iter().filter(|event| event.was_held_behind(place + 1)).count();
                vec![format!("spans {}", came.len() + again)]
            }
            Piece::Inspect | Piece::History => {
                came.iter().map(|event| format!("{} {}", event.topic, event.n)).collect()
            }
        }
    }
}

/// One call of a handler, in the words of both sides.
pub(crate) fn line_of_call(
    handler: usize,
    at: Duration,
    topic: &str,
    n: u32,
    tied: bool,
    deadline: Option<Duration>,
) -> String {
    let due = deadline.map(|due| format!(", due {due:?}")).unwrap_or_default();
    format!("{handler} at {at:?}: {topic} {n}{}{due}", if tied { ", tied" } else { "" })
}

/// Nothing is emitted at a moment at which a piece may let something go on.
pub(crate) fn emits_at_round_times() -> bool {
    script().iter().all(|(at, ..)| at.as_nanos() % ms(50).as_nanos() == 0)
}
