//! [`TowerLayer`]: middleware as a layer of `tower`.

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tower_layer::Layer;
use tower_service::Service;

use crate::{
    At, Clock, Emission, Event, EventId, Host, Ids, Kept, Middleware, Next, ParseError, Place, Stamp, SystemClock,
    Terminal, Topic, UniqueIds,
};

/// Makes a layer of [`tower`](https://docs.rs/tower) of middleware: each request is an event on a topic, with the request
/// as its payload.
///
/// Reach for it to use a filter, a transform or a limit of this crate in front of a service. What the middleware lets
/// through goes to the inner service; what it ends is a [`TowerError`] that [is refused](TowerError::is_refused), with
/// its reason. Requests are `Clone`, because the middleware is lent one and the service owns one. The other way round
/// there is [`Tower`](crate::Tower).
///
/// # Limits
///
/// Middleware is called and returns; a service's future may be done much later. So the inner service's future is polled
/// once, inside the chain, and if it is not done then, that is an [error](TowerError::is_unfinished) and the future is
/// dropped: the middleware would take the request for finished when it is not.
///
/// For middleware that does nothing after `next.run`, a filter or a transform for instance, say so with
/// [`ahead`](Self::ahead): then the future may take its time.
///
/// There is no bus: nothing can be held back for later (a `Debounce` lets it by), nothing listens to `$sys`, advice is not
/// asked, since there are no handlers, and middleware that runs the rest more than once gets an error for the second
/// time, since a service that is ready takes one call. A panic of the middleware goes on to the caller.
///
/// ```
/// use sigtree::middleware::{Filter, TowerError, TowerLayer};
/// use tower::{Service, ServiceBuilder, service_fn};
///
/// let even = Filter::payload(|n: &u32| n % 2 == 0).reason("odd");
/// let mut service = ServiceBuilder::new()
///     .layer(TowerLayer::new("numbers", even)?)
///     .service(service_fn(|n: u32| std::future::ready(Ok::<_, std::convert::Infallible>(n / 2))));
///
/// # fn done<F: Future>(future: F) -> F::Output {
/// #     match std::pin::pin!(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
/// #         std::task::Poll::Ready(answer) => answer,
/// #         std::task::Poll::Pending => panic!("not done"),
/// #     }
/// # }
/// assert_eq!(done(service.call(6)).unwrap(), 3);
/// assert_eq!(done(service.call(7)).unwrap_err().to_string(), "refused: odd");
/// # Ok::<(), sigtree::middleware::ParseError>(())
/// ```
///
/// # Cost
///
/// A request is an event on the stack, whose id and time are made when somebody asks for them, and is cloned once for the
/// inner service. The inner future is polled where it stands; [ahead](Self::ahead) of it, it takes an allocation.
///
/// # Place
///
/// Like all layers of a `ServiceBuilder`, the first one sees the request first, as the first layer of a stack sees the
/// event. So what looks at requests as they come belongs before what changes them:
///
/// ```
/// use sigtree::middleware::{Filter, TowerLayer, Transform};
/// use tower::{Service, ServiceBuilder, service_fn};
///
/// let small = || TowerLayer::new("numbers", Filter::payload(|n: &u32| *n < 10).reason("too large"));
/// let double = || TowerLayer::new("numbers", Transform::new(|n: &u32| n * 2));
/// let echo = || service_fn(|n: u32| std::future::ready(Ok::<_, std::convert::Infallible>(n)));
///
/// # fn done<F: Future>(future: F) -> F::Output {
/// #     match std::pin::pin!(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
/// #         std::task::Poll::Ready(answer) => answer,
/// #         std::task::Poll::Pending => panic!("not done"),
/// #     }
/// # }
/// let mut right = ServiceBuilder::new().layer(small()?).layer(double()?).service(echo());
/// assert_eq!(done(right.call(6)).unwrap(), 12);
///
/// // The wrong way round: what is refused is not what was asked for.
/// let mut wrong = ServiceBuilder::new().layer(double()?).layer(small()?).service(echo());
/// assert_eq!(done(wrong.call(6)).unwrap_err().to_string(), "refused: too large");
/// # Ok::<(), sigtree::middleware::ParseError>(())
/// ```
#[derive(Clone)]
pub struct TowerLayer {
    middleware: Arc<dyn Middleware>,
    topic: Topic,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    ahead: bool,
}

/// A service behind a [`TowerLayer`].
#[derive(Debug, Clone)]
pub struct TowerService<S> {
    layer: TowerLayer,
    inner: S,
}

/// The future of a [`TowerService`].
pub struct TowerFuture<F, R>(Doing<F, R>);

enum Doing<F, R> {
    Done(Option<Result<R, BoxError>>),
    Going(Pin<Box<F>>),
}

/// Why a [`TowerService`] has no response, if the inner service did not say why itself.
#[derive(Debug)]
pub struct TowerError(Why);

#[derive(Debug)]
enum Why {
    Refused(Cow<'static, str>),
    Unfinished,
    Twice,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl TowerLayer {
    /// Puts middleware in front of a service; requests are events on this topic.
    ///
    /// # Errors
    ///
    /// If `topic` is not a topic.
    pub fn new(topic: impl AsRef<str>, middleware: impl Middleware) -> Result<Self, ParseError> {
        Ok(Self {
            middleware: Arc::new(middleware),
            topic: Topic::new(topic)?,
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(UniqueIds),
            ahead: false,
        })
    }

    /// Lets the inner service finish after the middleware: what the middleware does behind `next.run` happens when the
    /// service was called, not when it is done.
    #[must_use]
    pub fn ahead(self) -> Self {
        Self { ahead: true, ..self }
    }

    /// Reads the time here.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Takes ids from here.
    #[must_use]
    pub fn ids(self, ids: impl Ids) -> Self {
        Self { ids: Arc::new(ids), ..self }
    }
}

impl<S> Layer<S> for TowerLayer {
    type Service = TowerService<S>;

    fn layer(&self, inner: S) -> TowerService<S> {
        TowerService { layer: self.clone(), inner }
    }
}

impl<S, R> Service<R> for TowerService<S>
where
    S: Service<R>,
    S::Error: Into<BoxError>,
    R: Any + Clone + Send + Sync,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = TowerFuture<S::Future, S::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let Self { layer, inner } = self;
        let end = End { inner: Cell::new(Some(inner)), ahead: layer.ahead, doing: RefCell::new(None), of: PhantomData };
        let (emission, kept) = (Emission::new(&*layer, At::default(), 1), Kept::cloned::<R>());
        let event = Event::new(&layer.topic, &request, &kept, &emission);
        Next::before(&*layer.middleware, &Next::new(&[], &end)).run(&event);
        match (emission.take_error(), end.doing.into_inner()) {
            (Some(error), _) => TowerFuture::failed(error),
            (None, Some(doing)) => TowerFuture(doing),
            (None, None) => {
                let reason = emission.reason().unwrap_or(Cow::Borrowed("a layer did not go on"));
                TowerFuture::failed(TowerError(Why::Refused(reason)).into())
            }
        }
    }
}

/// The end of the chain: the inner service.
struct End<'c, S: Service<R>, R> {
    /// Taken by its one call.
    inner: Cell<Option<&'c mut S>>,
    ahead: bool,
    doing: RefCell<Option<Doing<S::Future, S::Response>>>,
    of: PhantomData<fn(R)>,
}

impl<S, R> Terminal for End<'_, S, R>
where
    S: Service<R>,
    S::Error: Into<BoxError>,
    R: Any + Clone,
{
    fn deliver(&self, event: &Event<'_>) {
        let Some(request) = event.payload::<R>() else { return };
        event.emission().note_arrived();
        let doing = match self.inner.take() {
            Some(inner) if self.ahead => Doing::Going(Box::pin(inner.call(request.clone()))),
            Some(inner) => Doing::Done(Some(finish(inner.call(request.clone())))),
            None => Doing::Done(Some(Err(TowerError(Why::Twice).into()))),
        };
        self.doing.replace(Some(doing));
    }

    fn retains(&self) -> bool {
        false
    }

    fn place(&self) -> Place<'_> {
        Place::Bus
    }
}

/// The answer of a future that is done at once.
fn finish<R, E: Into<BoxError>>(future: impl Future<Output = Result<R, E>>) -> Result<R, BoxError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.map_err(Into::into),
        Poll::Pending => Err(TowerError(Why::Unfinished).into()),
    }
}

impl Host for TowerLayer {
    fn name(&self) -> &str {
        "tower"
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn share_clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    fn next_id(&self, stamp: Stamp) -> EventId {
        self.ids.next_id(stamp)
    }
}

impl<F, R> TowerFuture<F, R> {
    fn failed(error: BoxError) -> Self {
        Self(Doing::Done(Some(Err(error))))
    }
}

impl<F, R, E> Future for TowerFuture<F, R>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    /// # Panics
    ///
    /// If it was done before.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Doing::Done(answer) => Poll::Ready(answer.take().expect("a future is not polled when it is done")),
            Doing::Going(future) => future.as_mut().poll(context).map_err(Into::into),
        }
    }
}

/// The inner future is pinned by itself, and the answer is never pinned.
impl<F, R> Unpin for TowerFuture<F, R> {}

impl TowerError {
    /// Whether the middleware ended the event.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.0, Why::Refused(_))
    }

    /// Whether the inner service was not done at once, and the middleware did not go [`ahead`](TowerLayer::ahead).
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        matches!(self.0, Why::Unfinished)
    }

    /// Why the middleware ended the event, if it did.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match &self.0 {
            Why::Refused(reason) => Some(reason),
            Why::Unfinished | Why::Twice => None,
        }
    }
}

impl fmt::Display for TowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::Refused(reason) => write!(f, "refused: {reason}"),
            Why::Unfinished => f.write_str(
                "the inner service was not done at once, and middleware does not wait: \
                 if it does nothing after `next.run`, let it go `ahead`",
            ),
            Why::Twice => f.write_str("the middleware ran the rest twice, and a service that is ready takes one call"),
        }
    }
}

impl Error for TowerError {}

impl fmt::Debug for TowerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerLayer")
            .field("topic", &self.topic)
            .field("is", &self.middleware.describe())
            .field("ahead", &self.ahead)
            .finish_non_exhaustive()
    }
}

impl<F, R> fmt::Debug for TowerFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_done = matches!(self.0, Doing::Done(_));
        f.debug_struct("TowerFuture").field("is_done", &is_done).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{pending, ready};

    use ::tower::{ServiceBuilder, service_fn};

    use super::*;
    use crate::{Filter, SequentialIds, Transform};

    /// What a future that is done at once says.
    fn done<R>(future: impl Future<Output = Result<R, BoxError>>) -> Result<R, BoxError> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("it is not done"),
        }
    }

    fn around<M: Middleware>(middleware: M) -> TowerLayer {
        TowerLayer::new("numbers", middleware).unwrap().ids(SequentialIds::default())
    }

    fn halves() -> impl Service<u32, Response = u32, Error = String, Future: Send> + Clone {
        service_fn(|n: u32| ready(if n > 100 { Err(format!("{n} is too much")) } else { Ok(n / 2) }))
    }

    #[test]
    fn requests_go_through_the_middleware_to_the_service() {
        let layers = (Filter::payload(|n: &u32| n.is_multiple_of(2)).reason("odd"), Transform::new(|n: &u32| n + 2));
        let mut service = ServiceBuilder::new().layer(around(layers)).service(halves());
        assert_eq!(done(service.call(6)).unwrap(), 4);
        assert_eq!(done(service.call(200)).unwrap_err().to_string(), "202 is too much");
        let error = done(service.call(7)).unwrap_err().downcast::<TowerError>().unwrap();
        assert_eq!((error.reason(), error.is_refused(), error.is_unfinished()), (Some("odd"), true, false));
    }

    #[test]
    fn the_middleware_sees_an_event_with_topic_id_and_clock() {
        let clock = crate::ManualClock::new();
        clock.advance(std::time::Duration::from_secs(3));
        let look = |event: &Event<'_>, next: Next<'_>| {
            let n = event.payload::<u32>().copied().unwrap_or(0);
            assert_eq!(event.share::<u32>().as_deref(), Some(&n), "it can be kept");
            let seen = (event.topic().as_str(), event.id().to_bits(), event.offset().as_secs());
            assert_eq!(seen, ("numbers", u128::from(n), 3));
            next.run(event);
        };
        let mut service = around(look).clock(clock).layer(halves());
        assert_eq!(done(service.call(1)).unwrap(), 0);
        assert_eq!(done(service.call(2)).unwrap(), 1);
    }

    #[test]
    fn a_service_that_is_not_done_at_once_is_an_error_unless_the_middleware_goes_ahead() {
        let slow = || service_fn(|_: u32| pending::<Result<u32, Infallible>>());
        let pass = |event: &Event<'_>, next: Next<'_>| next.run(event);
        let error = done(around(pass).layer(slow()).call(1)).unwrap_err().downcast::<TowerError>().unwrap();
        assert!(error.is_unfinished() && error.to_string().contains("middleware does not wait"), "{error}");
        let mut future = around(pass).ahead().layer(slow()).call(1);
        assert!(Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let mut quick = around(pass).ahead().layer(halves());
        assert_eq!(done(quick.call(8)).unwrap(), 4);
        let mut refused = around(Filter::new(|_: &Event<'_>| false)).ahead().layer(halves());
        assert_eq!(done(refused.call(8)).unwrap_err().to_string(), "refused: filtered");
    }

    #[test]
    fn one_call_is_all_a_ready_service_takes() {
        let twice = |event: &Event<'_>, next: Next<'_>| {
            next.clone().run(event);
            next.run(event);
        };
        let error = done(around(twice).layer(halves()).call(1)).unwrap_err();
        assert!(error.to_string().contains("twice"), "{error}");
    }

    #[test]
    fn a_layer_that_breaks_the_rules_is_an_error() {
        let wrong = |event: &Event<'_>, next: Next<'_>| next.replace(event, String::from("text"));
        let error = done(around(wrong).layer(halves()).call(1)).unwrap_err();
        assert!(error.to_string().contains("a payload keeps its type"), "{error}");
        let late = |event: &Event<'_>, next: Next<'_>| {
            next.clone().run(event);
            next.replace(event, String::from("text"));
        };
        assert!(done(around(late).layer(halves()).call(1)).is_err(), "also when there is a response");
        assert!(TowerLayer::new("a..b", wrong).is_err());
    }
}
