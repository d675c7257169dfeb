//! [`Mode`]: what a connection or a subscription promises of its events; [`Reliable`]: at least once.

use std::time::Duration;

use sigtree_middleware::{Backoff, DeadLetter};

/// What a connection or a subscription promises of its events: chosen by [`On::mode`](crate::On::mode).
///
/// | mode | an event | reach for it when |
/// |---|---|---|
/// | [`BestEffort`](Self::BestEffort) | is given once; who fails on it, failed | losing one is no harm, or the handler sees to it |
/// | [`Reliable`](Self::Reliable) | is given until somebody says that it is done, then kept as a dead letter | none may be lost |
/// | [`LatestOnly`](Self::LatestOnly) | gives way to a newer one of its topic | only the state of now matters |
///
/// Handlers, async ones among them, and subscriptions have all modes; one who [answers requests](crate::Bus::reply) has none, because a
/// request has one answer.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Mode {
    /// Each event is given once.
    #[default]
    BestEffort,
    /// Each event is given at least once.
    Reliable(Reliable),
    /// Of each topic the newest event is given, and those it overtook are not: in a queue, as with
    /// [`Overflow::Latest`](crate::Overflow::Latest), or while the handler is at an older one.
    LatestOnly,
}

/// Gives each event again until it is done with, up to so many times; what is not done then becomes a dead letter.
///
/// At least once is not exactly once: a consumer that did its work and died before it said so has it done again. The event's
/// [id](crate::Received::id) is the same each time, so a consumer can tell.
///
/// # Subscriptions
///
/// Who took an event says [`ack`](crate::Received::ack) when it is done and [`fail`](crate::Received::fail) when it is not. One that is
/// dropped without either has failed: so an event is not lost with a consumer that panics. One that is not done within the
/// [timeout](Self::timeout) is given again, though the first consumer may still be at it; if that then says that it is done, it is
/// too late, told so, and [counted](crate::ReliableStats::late_acks).
///
/// An event that failed is given again after a [pause](Self::backoff), to whoever takes next, before those that were not given yet.
/// When it failed once more than there are [retries](Self::retries), it becomes a [dead letter](Self::dead_letters) with the number of
/// attempts and the last error. Times are those of the bus's clock.
///
/// An event keeps its place in the queue until it is done with, so the queue and what was taken from it are bounded together, and
/// so is their memory. One that finds no place is refused: the emit says that it failed, unless the queue
/// [waits](crate::Overflow::Block) for a place. A subscription without a [queue](crate::On::queue) of its own has as many places as the
/// bus says, but what the bus drops when they are full is not for it: it refuses, as [`Error`](crate::Overflow::Error) does.
///
/// When the last handle of the subscription goes, what waits becomes dead letters at once, and what was taken when it is
/// not done in time.
///
/// # Handlers
///
/// A handler that returns is done; one that returns an error or panics has failed. It is called again after the pause, alone, in the
/// clock's thread or on its [executor](crate::On::on); the emitter waits for none of it, and its
/// [`Delivery`](crate::Delivery) says that the event is held. Only the last failure is reported as one.
///
/// **A handler cannot be stopped**, so one that is not done in time is not called again beside itself: it is reported on `$sys.late`
/// ([`Timeout`](crate::middleware::Timeout)), and what it returns in the end counts. What is to be given to another
/// consumer instead belongs into a subscription.
///
/// As many events wait for another attempt as the connection's [queue](crate::On::queue) has places; what finds none is a dead letter
/// at once. [`Bus::flush`](crate::Bus::flush) lets them go on now. If the connection ends first, or is muted when their time comes, they
/// are dead letters. Each attempt is a call for [`times`](crate::On::times).
///
/// # Async handlers
///
/// With the feature `async`. A call that ends with `Ok`, or nothing, is done. An error, a panic, or a task that the runtime drops is a
/// failure; only the last one is reported. One that is not done in time has failed, too: its task is woken, and the
/// call dropped where it is; one that keeps its thread goes on until it awaits something, perhaps beside the next attempt.
///
/// Events wait in the connection's queue and keep their place until they are done with, as those of a subscription do: so no more calls
/// run at once than it has places, and what finds none is refused. (Do not let an emit in a task [wait](crate::Overflow::Block) for a
/// place: it may keep the thread that would end a call.) With [`serial`](crate::On::serial) one call runs at a time, and an
/// event that comes again comes before those that were not given yet, but while it pauses those behind it pass. An emit says
/// that the handler was called when the event is in the queue, and `emit_and_wait` waits for none of them: they may pause for
/// longer than who waits would. `Bus::running`, `Bus::drain` and [`Bus::shutdown`](crate::Bus::shutdown) count an event until it is done or
/// dead, pauses included; a shutdown, like a [flush](crate::Bus::flush), ends the pauses.
///
/// Conditions like [`times`](crate::On::times) count events, not attempts. When the connection ends no new call begins: what waits is a
/// dead letter, and so is what fails from then on; so with [`once`](crate::On::once) there is one attempt. A [mute](crate::Connection::mute)
/// keeps new events away, and not those that were taken. The handler may say [`ack`](crate::Received::ack) itself, early: then the event is
/// done with, and gives its place back, whatever comes of the call.
///
/// ```
/// # #[cfg(feature = "async")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use sigtree::{Bus, Mode, Received, Reliable, Task};
/// use sigtree::middleware::Backoff;
///
/// let bus = Bus::builder().spawner(|task: Task| drop(std::thread::spawn(|| pollster::block_on(task)))).build();
/// let rules = Reliable::new().retries(2).backoff(Backoff::every(Duration::from_millis(1)));
/// let upload = bus.on("scan").mode(Mode::Reliable(rules)).connect_async(|scan: Received<u32>| async move {
///     if scan.attempt() == 3 || *scan == 0 { Ok(()) } else { Err("the network is down") }
/// })?;
/// bus.emit("scan", 0_u32);
/// bus.emit("scan", 7_u32);
/// bus.drain(Duration::from_secs(60))?;
/// assert!(upload.dead_letters().unwrap().is_empty());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "async"))]
/// # fn main() {}
/// ```
///
/// # What became of them
///
/// [`Bus::inspect`](crate::Bus::inspect) shows, at the connection's layers, how many events wait, how many calls were made again and how
/// many events are dead.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::{Bus, ManualClock, Mode, Reliable};
/// use sigtree::middleware::Backoff;
///
/// let clock = ManualClock::new();
/// let bus = Bus::builder().clock(clock.clone()).build();
/// let second = Duration::from_secs(1);
/// let reliable = Reliable::new().retries(1).backoff(Backoff::every(second));
/// let orders = bus.on("order.*").mode(Mode::Reliable(reliable)).subscribe::<u32>()?;
/// bus.emit("order.new", 7_u32);
/// bus.emit("order.new", 8_u32);
///
/// orders.try_recv()?.ack();
/// orders.try_recv()?.fail("the printer is out of paper");
/// assert!(orders.try_recv().is_err());
///
/// clock.advance(second);
/// let again = orders.try_recv()?;
/// assert_eq!((*again, again.attempt()), (8, 2));
/// // A consumer that dies here has failed, too.
/// drop(again);
///
/// let letter = &orders.dead_letters().unwrap().letters()[0];
/// assert_eq!((letter.payload(), letter.attempts()), (Some(&8_u32), 2));
/// assert_eq!(letter.error(), Some("dropped before it was done"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "at least once")]
pub struct Reliable {
    /// What is not chosen is as the bus has it.
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: Option<u32>,
    pub(crate) backoff: Backoff,
    pub(crate) dead: Option<DeadLetter>,
}

impl Reliable {
    /// What the bus's [configuration](crate::BusConfig::delivery_timeout) says, by default five seconds for each attempt and three more
    /// after the first; with pauses from 100 milliseconds to 10 seconds and jitter.
    #[must_use]
    pub fn new() -> Self {
        let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10)).jitter();
        Self { timeout: None, retries: None, backoff, dead: None }
    }

    /// How long somebody who took an event has to be done with it. Choose it longer than the work takes: what is late is done
    /// again.
    #[must_use]
    #[doc(alias = "visibility timeout")]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// How often an event is given again after the first attempt; zero is for those who only want the dead letters.
    #[must_use]
    pub fn retries(self, retries: u32) -> Self {
        Self { retries: Some(retries), ..self }
    }

    /// The pauses before an event is given again; one that is [within](Backoff::within) a time may end the retries earlier.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Where events go that were not done with. Without it, each connection and subscription has letters of its own,
    /// as many as the bus's [configuration](crate::BusConfig::dead_letters) says: a thousand at most by default.
    #[must_use]
    #[doc(alias = "dead letter queue")]
    pub fn dead_letters(self, dead: &DeadLetter) -> Self {
        Self { dead: Some(dead.clone()), ..self }
    }
}

impl Default for Reliable {
    fn default() -> Self {
        Self::new()
    }
}
