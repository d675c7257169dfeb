//! [`Tower`]: a service or layer of `tower` as middleware.

use std::borrow::Cow;
use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tower_service::Service;

use crate::{Event, Middleware, Next, Tally};

/// Makes middleware of a [`tower`](https://docs.rs/tower) layer, or of a service.
///
/// A `tower` layer is put around the rest of the chain, which is a service: its request is a [`Passing`] event, its
/// response the [`Tally`] of the handlers. So what `tower` has for any request works for events: load shedding, filters,
/// concurrency limits, retries with a policy that looks at the tally. The other way round there is
/// [`TowerLayer`](crate::TowerLayer).
///
/// # Limits
///
/// An emit waits for nobody, and a service may want to wait. So:
///
/// - A service that is not ready at once ends the event with the reason `the tower service is not ready`.
/// - A service whose future is not done at once is a failure of the layer, in the delivery and on `$sys.handler.failed`;
///   the future is dropped. If it reached the rest of the chain before, the handlers have been called; if not, the event is
///   ended.
/// - A service that returns an error before it called the rest of the chain has refused the event: the error is the
///   reason. After that, it is a failure of the layer.
///
/// What needs a runtime does not work here: delays, timeouts of tokio, and a `Buffer`, whose worker must be spawned.
/// The service is cloned for each event, as is usual, so state that is to be shared between events must be shared by the
/// clones. A `RateLimit` of `tower` is not `Clone`; use [a piece of this crate](crate#stock-pieces) instead.
///
/// ```
/// use sigtree::{Bus, Event};
/// use sigtree::middleware::{Passing, Tower};
/// use tower::filter::FilterLayer;
///
/// fn even(passing: Passing<'_>) -> Result<Passing<'_>, tower::BoxError> {
///     match passing.event().payload::<u32>() {
///         Some(n) if n % 2 == 1 => Err("odd".into()),
///         _ => Ok(passing),
///     }
/// }
///
/// let bus = Bus::new();
/// bus.layer(Tower::layer(FilterLayer::new(even)));
/// let _n = bus.connect("n", |_: &u32| {})?;
/// assert_eq!(bus.emit("n", 2_u32).called(), 1);
/// assert_eq!(bus.emit("n", 1_u32).filtered(), Some("odd"));
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Cost
///
/// A clone of the service for each event, and what the service costs. Nothing is put on the heap for it.
///
/// # Place
///
/// It is around what stands behind it, as every layer:
///
/// ```
/// use sigtree::{Bus, Event, Stack};
/// use sigtree::middleware::{Counters, Passing, Tally, Tower};
/// use tower::service_fn;
///
/// let closed = || Tower::service(service_fn(|_: Passing<'_>| std::future::ready(Err::<Tally, _>("closed"))));
/// let (right, wrong) = (Counters::new(), Counters::new());
/// let bus = Bus::new();
///
/// bus.set_stack(Stack::new().with(right.clone()).with(closed()));
/// bus.emit("n", 1_u32);
/// assert_eq!(right.snapshot().all.filtered, 1);
///
/// // The wrong way round: the counters do not know of what was refused.
/// bus.set_stack(Stack::new().with(closed()).with(wrong.clone()));
/// bus.emit("n", 1_u32);
/// assert_eq!(wrong.snapshot().all.emitted, 0);
/// ```
#[derive(Clone)]
pub struct Tower {
    run: Arc<Run>,
    service: &'static str,
}

type Run = dyn Fn(&Event<'_>, Next<'_>) + Send + Sync;

type BoxError = Box<dyn Error + Send + Sync>;

/// An event on its way, and the rest of the chain before it: the request of a [`Tower`]'s services.
#[derive(Debug, Clone)]
pub struct Passing<'p> {
    event: Event<'p>,
    next: Next<'p>,
    went_on: &'p Cell<bool>,
}

/// The rest of the chain as a service, which a [`Tower`]'s layer is put around: always ready, and done at once.
#[derive(Debug, Clone, Copy)]
pub struct Rest(());

impl Tower {
    /// Puts a layer of `tower` around the rest of the chain.
    #[must_use]
    pub fn layer<L, E>(layer: L) -> Self
    where
        L: tower_layer::Layer<Rest>,
        L::Service: for<'p> Service<Passing<'p>, Response = Tally, Error = E> + Clone + Send + Sync + 'static,
        E: Into<BoxError>,
    {
        Self::service(layer.layer(Rest(())))
    }

    /// Gives each event to a service, which [lets it go on](Passing::run), or does not.
    ///
    /// ```
    /// use sigtree::Bus;
    /// use sigtree::middleware::{Passing, Tower};
    /// use tower::service_fn;
    ///
    /// let bus = Bus::new();
    /// bus.layer(Tower::service(service_fn(|passing: Passing<'_>| {
    ///     println!("{} comes", passing.event().topic());
    ///     std::future::ready(Ok::<_, std::convert::Infallible>(passing.run()))
    /// })));
    /// let _n = bus.connect("n", |_: &u32| {})?;
    /// assert_eq!(bus.emit("n", 1_u32).called(), 1);
    /// # Ok::<(), sigtree::Error>(())
    /// ```
    #[must_use]
    pub fn service<S, E>(service: S) -> Self
    where
        S: for<'p> Service<Passing<'p>, Response = Tally, Error = E> + Clone + Send + Sync + 'static,
        E: Into<BoxError>,
    {
        let run = move |event: &Event<'_>, next: Next<'_>| {
            let went_on = Cell::new(false);
            let passing = Passing { event: *event, next, went_on: &went_on };
            note(event, poll_once(&mut service.clone(), passing), went_on.get());
        };
        Self { run: Arc::new(run), service: std::any::type_name::<S>() }
    }
}

impl<'p> Passing<'p> {
    /// The event.
    #[must_use]
    pub fn event(&self) -> &Event<'p> {
        &self.event
    }

    /// Lets it go on; what became of it.
    #[must_use = "the tally is a service's response"]
    pub fn run(self) -> Tally {
        self.went_on.set(true);
        let before = self.event.tally();
        self.next.run(&self.event);
        self.event.tally().since(before)
    }
}

impl<'p> Service<Passing<'p>> for Rest {
    type Response = Tally;
    type Error = Infallible;
    type Future = Ready<Result<Tally, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, passing: Passing<'p>) -> Self::Future {
        ready(Ok(passing.run()))
    }
}

/// How a service's one chance ended.
enum Ended {
    Done,
    NotReady,
    NotDone,
    Failed(BoxError),
}

fn poll_once<R, S: Service<R>>(service: &mut S, request: R) -> Ended
where
    S::Error: Into<BoxError>,
{
    let mut context = Context::from_waker(Waker::noop());
    match service.poll_ready(&mut context) {
        Poll::Ready(Ok(())) => {}
        Poll::Ready(Err(error)) => return Ended::Failed(error.into()),
        Poll::Pending => return Ended::NotReady,
    }
    match pin!(service.call(request)).poll(&mut context) {
        Poll::Ready(Ok(_)) => Ended::Done,
        Poll::Ready(Err(error)) => Ended::Failed(error.into()),
        Poll::Pending => Ended::NotDone,
    }
}

/// Tells the bus how it ended.
fn note(event: &Event<'_>, ended: Ended, went_on: bool) {
    let emission = event.emission();
    match ended {
        Ended::Done => {}
        Ended::NotReady => emission.discard(Cow::Borrowed("the tower service is not ready")),
        Ended::Failed(error) if !went_on => emission.discard(Cow::Owned(error.to_string())),
        Ended::Failed(error) => emission.set_error(error),
        Ended::NotDone => {
            if !went_on {
                emission.discard(Cow::Borrowed("the tower service was not done at once"));
            }
            emission.set_error("the tower service was not done at once: an emit does not wait for its future".into());
        }
    }
}

impl Middleware for Tower {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        (self.run)(event, next);
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("tower service `{}`", self.service).into()
    }
}

impl fmt::Debug for Tower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tower").field("service", &self.service).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use ::tower::layer::layer_fn;
    use ::tower::load_shed::LoadShedLayer;
    use ::tower::{ServiceBuilder, service_fn};

    use super::*;
    use crate::support::Rig;

    /// Lets an event by while there is room, and is not ready otherwise.
    #[derive(Clone)]
    struct Room<S>(S, Arc<AtomicU32>);

    impl<R, S: Service<R>> Service<R> for Room<S> {
        type Response = S::Response;
        type Error = S::Error;
        type Future = S::Future;

        fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
            let left = self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            if left.is_ok() { self.0.poll_ready(context) } else { Poll::Pending }
        }

        fn call(&mut self, request: R) -> S::Future {
            self.0.call(request)
        }
    }

    #[test]
    fn layers_of_tower_stand_around_the_rest_in_order() {
        let (rig, list) = (Rig::new(), Arc::new(Mutex::new(Vec::new())));
        let note = |name: &'static str| {
            let list = list.clone();
            layer_fn(move |rest: Rest| {
                let list = list.clone();
                service_fn(move |passing: Passing<'_>| {
                    list.lock().unwrap().push(format!("{name} {}", passing.event().topic()));
                    let tally = rest.clone().call(passing).into_inner();
                    list.lock().unwrap().push(format!("{name} {}", tally.as_ref().map_or(0, |tally| tally.called)));
                    ready(tally)
                })
            })
        };
        rig.emit(&(Tower::layer(note("first")), Tower::layer(note("second"))), "a", 1_u32);
        assert_eq!(*list.lock().unwrap(), ["first a", "second a", "second 1", "first 1"]);
        assert_eq!(rig.seen(), ["a 1"]);
    }

    #[test]
    fn a_service_that_is_not_ready_ends_the_event() {
        let rig = Rig::new();
        let room = |left: u32| {
            let left = Arc::new(AtomicU32::new(left));
            layer_fn(move |rest| Room(rest, left.clone()))
        };
        let plain = Tower::layer(room(1));
        assert_eq!(rig.emit(&plain, "a", 1_u32).reason, None);
        assert_eq!(rig.emit(&plain, "a", 2_u32).reason.as_deref(), Some("the tower service is not ready"));
        let shed = Tower::layer(ServiceBuilder::new().layer(LoadShedLayer::new()).layer(room(1)).into_inner());
        assert_eq!(rig.emit(&shed, "a", 3_u32).reason, None);
        assert_eq!(rig.emit(&shed, "a", 4_u32).reason.as_deref(), Some("service overloaded"));
        assert_eq!(rig.seen(), ["a 1", "a 3"]);
    }

    /// Emits through a service, and hands out the reason and the failure of the layer.
    fn emit(tower: &Tower) -> (Option<String>, Option<String>) {
        let rig = Rig::new();
        let error = std::cell::RefCell::new(None);
        rig.run_at(std::time::Duration::ZERO, |event, next| {
            tower.handle(event, next);
            let failure = event.emission().take_error().map(|error| error.to_string());
            error.replace(Some((event.emission().reason().map(Cow::into_owned), failure)));
        });
        error.into_inner().unwrap()
    }

    #[test]
    fn an_error_before_the_rest_is_a_refusal_and_behind_it_a_failure() {
        let refused = Tower::service(service_fn(|_: Passing<'_>| ready(Err::<Tally, _>("closed"))));
        assert_eq!(emit(&refused), (Some("closed".into()), None));
        let failed = Tower::service(service_fn(|passing: Passing<'_>| {
            let called = passing.run().called;
            ready(Err::<Tally, _>(format!("{called} is too few")))
        }));
        assert_eq!(emit(&failed), (None, Some("1 is too few".into())));
    }

    #[test]
    fn a_future_that_is_not_done_at_once_is_a_failure_in_clear_words() {
        let waits = Tower::service(service_fn(|_: Passing<'_>| pending::<Result<Tally, Infallible>>()));
        let (reason, failure) = emit(&waits);
        assert_eq!(reason.as_deref(), Some("the tower service was not done at once"));
        assert!(failure.unwrap().contains("an emit does not wait"));

        // What went on before is not ended.
        let late = Tower::service(service_fn(|passing: Passing<'_>| {
            assert_eq!(passing.run().called, 1);
            pending::<Result<Tally, Infallible>>()
        }));
        let (reason, failure) = emit(&late);
        assert_eq!((reason, failure.is_some()), (None, true));
    }

    #[test]
    fn names_the_service() {
        let tower = Tower::layer(layer_fn(|rest: Rest| rest));
        assert_eq!(tower.describe(), "tower service `sigtree_middleware::tower::Rest`");
    }
}
