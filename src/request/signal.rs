//! Requests on the topic of a [`Signal`]: the question's type is the signal's.

use std::any::Any;
use std::error::Error as StdError;

use sigtree_middleware::Event;

use super::gather::Gather;
use super::question::Question;
use super::questions::Questions;
use super::{Asking, Request};
use crate::connection::Connection;
use crate::error::Error;
use crate::handler::Outcome;
use crate::signal::Signal;

impl<Q: Any + Send + Sync> Signal<Q> {
    /// Asks whoever [replies](Signal::reply) on this topic, for one answer: see [`Bus::request`](crate::Bus::request).
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::Bus;
    ///
    /// let length = Bus::new().signal::<String>("text.length")?;
    /// let _length = length.reply(|text| text.len())?;
    /// assert_eq!(length.request::<usize>("seven".into()).wait()?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request<A: Any + Send>(&self, question: Q) -> Request<'_, Q, A> {
        Request { asking: Asking::new(self.event(), question), answer: std::marker::PhantomData }
    }

    /// Asks all who reply on this topic: see [`Bus::gather`](crate::Bus::gather).
    pub fn gather<A: Any + Send>(&self, question: Q) -> Gather<'_, Q, A> {
        Gather::of(Asking::new(self.event(), question))
    }

    /// Connects a responder to this topic: see [`Bus::reply`](crate::Bus::reply).
    ///
    /// # Errors
    ///
    /// As [`connect`](Signal::connect).
    #[track_caller]
    pub fn reply<A, F>(&self, responder: F) -> Result<Connection, Error>
    where
        A: Any + Send,
        F: Fn(&Q) -> A + Send + Sync + 'static,
    {
        self.on().reply(responder)
    }

    /// The same with the event, which has the source and the correlation of whoever asks.
    ///
    /// # Errors
    ///
    /// As [`connect`](Signal::connect).
    #[track_caller]
    pub fn reply_with<A, F>(&self, responder: F) -> Result<Connection, Error>
    where
        A: Any + Send,
        F: Fn(&Q, &Event<'_>) -> A + Send + Sync + 'static,
    {
        self.on().reply(responder)
    }

    /// Connects a responder that may fail: see [`Bus::try_reply`](crate::Bus::try_reply).
    ///
    /// # Errors
    ///
    /// As [`connect`](Signal::connect).
    #[track_caller]
    pub fn try_reply<A, E, F>(&self, responder: F) -> Result<Connection, Error>
    where
        A: Any + Send,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
        F: Fn(&Q) -> Result<A, E> + Send + Sync + 'static,
    {
        self.on().try_reply(responder)
    }

    /// Connects a responder that is given questions to keep: see [`Bus::reply_later`](crate::Bus::reply_later).
    ///
    /// # Errors
    ///
    /// As [`connect`](Signal::connect).
    #[track_caller]
    pub fn reply_later<A, O, F>(&self, responder: F) -> Result<Connection, Error>
    where
        A: Any + Send,
        O: Outcome + 'static,
        F: Fn(Question<Q, A>) -> O + Send + Sync + 'static,
    {
        self.on().reply_later(responder)
    }

    /// Connects an async responder: see [`Bus::reply_async`](crate::Bus::reply_async).
    ///
    /// # Errors
    ///
    /// As [`connect`](Signal::connect).
    #[cfg(feature = "async")]
    #[track_caller]
    pub fn reply_async<A, F>(&self, responder: F) -> Result<Connection, Error>
    where
        A: Any + Send,
        F: crate::tasks::AsyncFn1<crate::subscription::Received<Q>, A>,
    {
        self.on().reply_async(responder)
    }

    /// Puts the requests of this topic into a queue: see [`Bus::questions`](crate::Bus::questions).
    ///
    /// # Errors
    ///
    /// As there.
    #[track_caller]
    pub fn questions<A: Any + Send>(&self) -> Result<Questions<Q, A>, Error> {
        self.on().questions()
    }
}
