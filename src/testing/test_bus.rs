use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sigtree_middleware::{Failure, IntoPattern, Landing, ManualClock, Replayed, SequentialIds, Target};

use super::books::Books;
use super::kept_back::KeptBack;
use super::recorder::Recorder;
use super::shown::Shown;
use super::troubles::Troubles;
use crate::builder::BusBuilder;
use crate::bus::Bus;
use crate::connection::ConnectionSet;
use crate::error::Error;

/// A bus for one test: time stands still until the test moves it, ids are 1, 2, 3, and no failure goes unseen.
///
/// It is used like the [`Bus`] it holds. When it is dropped, it panics if a handler or layer failed, or an emit was refused, and the
/// test did not [take](Self::take_failures) that into account: an `assert!` in a handler thus fails the test, although the bus
/// isolates handlers. It does not panic while the test is panicking already.
///
/// Failures are those that the bus reports, on it and on children that bubble. What fails after the `TestBus` is gone, on another
/// thread or in a clone of the bus that lives longer, is not noticed. Events that layers still hold stay held; call
/// [`flush`](Bus::flush) to let them go on.
///
/// Two of its [`connections`](Bus::connections) are its own. Its layers and those of its children are watched, for the messages of
/// failing assertions: an event that a layer ends or holds is noted, up to 1,000 different ones at a time, so emits through layers take
/// longer; what there is no room for is only counted.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sigtree::testing::TestBus;
///
/// let bus = TestBus::new();
/// let seen = bus.record("order.**");
/// bus.emit("order.new", 7_u32);
/// bus.advance(Duration::from_secs(2));
/// bus.event("order.paid").source("shop").emit(7_u32);
///
/// assert_eq!(format!("{seen:#}"), "#1 0ns order.new 7\n#2 2s order.paid 7, from shop");
/// ```
///
/// A failure in a handler fails the test:
///
/// ```should_panic
/// use sigtree::testing::TestBus;
///
/// let bus = TestBus::new();
/// let _screen = bus.connect("range", |metres: &u32| assert_ne!(*metres, 0)).unwrap();
/// bus.emit("range", 0_u32);
/// ```
pub struct TestBus {
    bus: Bus,
    clock: ManualClock,
    shown: Shown,
    troubles: Troubles,
    site: &'static Location<'static>,
    _reports: ConnectionSet,
}

impl TestBus {
    /// A bus with the default settings.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self::with(Bus::builder().name("test"))
    }

    /// A bus with other settings; clock and ids are the test's all the same.
    ///
    /// ```
    /// use sigtree::testing::TestBus;
    /// use sigtree::{Bus, Policy};
    ///
    /// let bus = TestBus::with(Bus::builder().name("strict").policy(Policy::FailFast));
    /// assert_eq!(bus.name(), "strict");
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with(settings: BusBuilder) -> Self {
        let clock = ManualClock::new();
        let kept_back = KeptBack::of(&settings.name);
        let settings = BusBuilder { lens: Some(kept_back.lens()), ..settings };
        let bus = settings.clock(clock.clone()).ids(SequentialIds::default()).build();
        let books = Arc::new(Mutex::new(Books::default()));
        let reports = Books::listen(&books, &bus).expect("good patterns, and the types of the reports");
        let troubles = Troubles { books, kept_back };
        Self { bus, clock, shown: Shown::default(), troubles, site: Location::caller(), _reports: reports }
    }

    /// The bus itself, for what wants to own a handle: a clone.
    #[must_use]
    pub fn bus(&self) -> Bus {
        self.bus.clone()
    }

    /// The clock, which stands still until it is moved.
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Lets time pass: what is due on the way happens before this returns, each at its time.
    pub fn advance(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Lets time pass, `within` at most, until a condition holds; see [`ManualClock::advance_until`].
    ///
    /// # Panics
    ///
    /// If it does not come to hold.
    #[track_caller]
    pub fn advance_until(&self, within: Duration, condition: impl FnMut() -> bool) {
        assert!(self.clock.advance_until(within, condition), "the condition did not come to hold within {within:?}");
    }

    /// A recorder of the topics of a pattern, which knows the clock of this bus.
    ///
    /// # Panics
    ///
    /// If `pattern` is not a pattern.
    #[must_use]
    #[track_caller]
    pub fn record(&self, pattern: impl IntoPattern) -> Recorder {
        Recorder::showing(self.shown.clone()).troubles(&self.troubles).clock(&self.clock).listen(&self.bus, pattern)
    }

    /// Lets all its recorders write payloads of this type with their `Debug`; see [`Recorder::show`].
    pub fn show<T: Any + fmt::Debug>(&self) {
        self.shown.learn::<T>();
    }

    /// The failures of handlers and layers since the last time, with which the test agrees by taking them; of very many, the first
    /// 1,000.
    ///
    /// ```
    /// use sigtree::testing::TestBus;
    ///
    /// let bus = TestBus::new();
    /// let _jam = bus.connect("print", |_: &u32| Err("out of paper"))?;
    /// bus.emit("print", 1_u32);
    /// assert_eq!(bus.take_failures()[0].cause.to_string(), "out of paper");
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    #[must_use]
    pub fn take_failures(&self) -> Vec<Arc<Failure>> {
        std::mem::take(&mut self.troubles.books.lock().failures)
    }

    /// The refusals of emits since the last time, also of those by `try_emit`, with which the test agrees by taking them.
    #[must_use]
    pub fn take_refusals(&self) -> Vec<Arc<Error>> {
        std::mem::take(&mut self.troubles.books.lock().refusals)
    }

    /// Ends the test of this bus, as a drop does, with a panic at the line that calls it.
    ///
    /// # Panics
    ///
    /// If something failed or was refused and was not taken.
    #[track_caller]
    pub fn finish(self) {
        self.check();
    }

    #[track_caller]
    fn check(&self) {
        let lines = Books::close(&self.troubles.books, &self.bus);
        if !lines.is_empty() {
            let lines = lines.join("\n");
            panic!("failures and refusals on the bus of {} that the test did not take:\n{lines}", self.site);
        }
    }
}

impl Drop for TestBus {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
    }
}

/// The past is given to it as to any bus.
///
/// ```
/// use sigtree::History;
/// use sigtree::testing::TestBus;
///
/// let (first, again, history) = (TestBus::new(), TestBus::new(), History::new());
/// first.layer(history.clone());
/// first.emit("radar.range", 900_u32);
///
/// let seen = again.record("radar.**");
/// history.replay().run(&again);
/// seen.emitted("radar.range").once();
/// ```
impl Target for TestBus {
    fn replay(&self, event: &Replayed<'_>) -> Landing {
        self.bus.replay(event)
    }
}

impl Deref for TestBus {
    type Target = Bus;

    fn deref(&self) -> &Bus {
        &self.bus
    }
}

impl Default for TestBus {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestBus").field("bus", &self.bus).field("clock", &self.clock).finish_non_exhaustive()
    }
}
