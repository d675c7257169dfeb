use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use sigtree_middleware::{DeadLetter, Pattern};
use slotmap::new_key_type;

use crate::dispatch::core::Core;
use crate::dispatch::slot::{Header, Slot};
use crate::dispatch::thread;
use crate::dispatch::writer::Joined;
use crate::error::Error;

new_key_type! {
    /// Names one connection of one bus; a stale id never names another connection.
    pub struct ConnectionId;
}

/// The link between a bus and a handler: dropped, it disconnects.
///
/// What the handler captured is freed when the connection ends, at once unless an emit is inside it. Keep the connection
/// where the handler's life belongs, in the struct that listens or in a [`ConnectionSet`], or [`detach`](Connection::detach) it.
/// `let _ = bus.connect(..)` drops it on the spot; `let _name = bus.connect(..)` keeps it to the end of the block.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use sigtree::Bus;
///
/// let bus = Bus::new();
/// let screen = Arc::new("a screen");
/// let shown = screen.clone();
/// let connection = bus.connect("track", move |id: &u32| println!("{shown} shows {id}"))?;
/// assert_eq!(Arc::strong_count(&screen), 2);
///
/// drop(connection);
/// assert_eq!(Arc::strong_count(&screen), 1);
/// assert_eq!(bus.emit("track", 7_u32).called(), 0);
/// # Ok::<(), sigtree::Error>(())
/// ```
///
/// # Concurrency
///
/// After a disconnect returns no new call starts, on any thread; an emit that has the handler in its snapshot skips it. A call
/// that is running goes on: [`disconnect_wait`](Connection::disconnect_wait) waits for it.
#[must_use = "dropping a connection disconnects its handler: keep it, or call `detach`"]
#[doc(alias = "subscription")]
#[doc(alias = "listener")]
pub struct Connection {
    link: Option<Link>,
}

#[derive(Clone)]
struct Link {
    core: Weak<Core>,
    id: ConnectionId,
    /// The handler's slot, for as long as the bus or an emit holds it.
    slot: Weak<dyn Slot>,
}

impl Link {
    /// Looks at the slot, if the handler is still connected.
    fn look<R>(&self, look: impl FnOnce(&Header) -> R) -> Option<R> {
        let slot = self.slot.upgrade()?;
        let alive = self.core.strong_count() > 0 && !slot.header().is_dead();
        alive.then(|| look(slot.header()))
    }
}

impl Connection {
    pub(crate) fn new(core: &Arc<Core>, joined: Joined) -> Self {
        Self { link: Some(Link { core: Arc::downgrade(core), id: joined.id, slot: joined.slot }) }
    }

    /// The connection's id on its bus.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.link().id
    }

    /// Whether the handler is still connected; `false` also when its bus is gone.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link().look(|_| ()).is_some()
    }

    /// Where events go that the handler was not done with, if it is connected and [reliable](crate::Reliable).
    #[must_use]
    pub fn dead_letters(&self) -> Option<DeadLetter> {
        self.link().slot.upgrade()?.dead_letters().cloned()
    }

    /// Whether the handler is gone, seen without taking hold of it.
    fn is_freed(&self) -> bool {
        self.link().slot.strong_count() == 0
    }

    /// Leaves the handler connected for as long as the bus lives.
    ///
    /// The id can still be given to [`Bus::disconnect`](crate::Bus::disconnect).
    #[doc(alias = "forget")]
    #[allow(clippy::must_use_candidate, reason = "the id is wanted rarely")]
    pub fn detach(mut self) -> ConnectionId {
        self.link.take().map(|link| link.id).unwrap_or_default()
    }

    /// Silences the handler while the guard lives; mutes are counted, so they nest.
    #[must_use = "the handler is muted while the guard lives"]
    #[doc(alias = "block")]
    pub fn mute(&self) -> Mute {
        let link = self.link().clone();
        link.look(Header::mute);
        Mute { what: Muted::Connection(link) }
    }

    /// Whether the handler is muted by itself; a mute of its pattern or bus does not count.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        self.link().look(Header::is_muted).unwrap_or(false)
    }

    /// Disconnects; the same as dropping it, said aloud.
    pub fn disconnect(self) {
        drop(self);
    }

    /// Disconnects what others have a share of, too.
    pub(crate) fn end(&self) {
        if let Some(core) = self.link().core.upgrade() {
            core.disconnect(self.link().id);
        }
    }

    /// Disconnects and waits until no call of the handler is running and what it captured is freed.
    ///
    /// It waits also if the connection has ended already, by itself or by its id.
    ///
    /// # Errors
    ///
    /// Would deadlock, if the handler is not free yet and this thread is itself inside an emit, whichever, or holds a
    /// [`Pinned`](crate::Pinned), or leaked one; timeout, if a call was still running then. In both cases the handler is
    /// disconnected all the same.
    ///
    /// # Concurrency
    ///
    /// Do not hold a lock that the handler wants. Emits pay nothing for this: it waits for the handler's memory to be freed.
    pub fn disconnect_wait(mut self, timeout: Duration) -> Result<(), Error> {
        let Some(link) = self.link.take() else { return Ok(()) };
        if let Some(core) = link.core.upgrade() {
            core.disconnect(link.id);
        }
        let Some(slot) = link.slot.upgrade() else { return Ok(()) };
        let gate = slot.header().gate();
        drop(slot);
        if gate.is_open() {
            return Ok(());
        }
        if thread::holds_handlers() {
            return Err(Error::would_deadlock());
        }
        if gate.wait(Some(timeout)) { Ok(()) } else { Err(Error::timeout()) }
    }

    fn link(&self) -> &Link {
        self.link.as_ref().expect("only a connection that was given up has no link")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(link) = self.link.take()
            && let Some(core) = link.core.upgrade()
        {
            core.disconnect(link.id);
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.link.as_ref().map(|link| link.id)).finish()
    }
}

/// Connections that end together.
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, ConnectionSet};
///
/// let bus = Bus::new();
/// let mut connections = ConnectionSet::new();
/// connections.add(bus.connect("a", |_: &u32| {})?);
/// connections.add(bus.connect("b", |_: &u32| {})?);
/// assert_eq!(connections.len(), 2);
/// connections.clear();
/// assert_eq!(bus.emit("a", 1_u32).called(), 0);
/// # Ok::<(), sigtree::Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "dropping the set disconnects its handlers"]
pub struct ConnectionSet {
    connections: Vec<Connection>,
    /// How many there were after those that had ended were last taken out.
    swept: usize,
}

impl ConnectionSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one connection more.
    ///
    /// Connections that ended by themselves are taken out in passing, whenever the set has doubled.
    pub fn add(&mut self, connection: Connection) {
        drop(self.add_and_sweep(connection));
    }

    /// The same; hands out what ended, to be dropped where no lock is held.
    pub(crate) fn add_and_sweep(&mut self, connection: Connection) -> Vec<Connection> {
        self.connections.push(connection);
        if self.connections.len() < 2 * self.swept.max(8) {
            return Vec::new();
        }
        let ended = self.connections.extract_if(.., |connection| connection.is_freed()).collect();
        self.swept = self.connections.len();
        ended
    }

    /// How many there are, those that ended and were not taken out yet among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Disconnects all of them.
    pub fn clear(&mut self) {
        self.swept = 0;
        self.connections.clear();
    }

    /// Silences all of them while the guards live.
    #[must_use = "the handlers are muted while the guards live"]
    pub fn mute(&self) -> Vec<Mute> {
        self.connections.iter().map(Connection::mute).collect()
    }
}

impl Extend<Connection> for ConnectionSet {
    fn extend<I: IntoIterator<Item = Connection>>(&mut self, connections: I) {
        connections.into_iter().for_each(|connection| self.add(connection));
    }
}

impl FromIterator<Connection> for ConnectionSet {
    fn from_iter<I: IntoIterator<Item = Connection>>(connections: I) -> Self {
        Self { connections: connections.into_iter().collect(), swept: 0 }
    }
}

/// Silence while it lives: of one connection, of the topics of a pattern, or of a whole bus.
///
/// Made by [`Connection::mute`], [`Bus::mute`](crate::Bus::mute) and [`Bus::mute_all`](crate::Bus::mute_all). What is not
/// delivered is counted as muted in each [`Delivery`](crate::Delivery); it is not made up for later.
#[must_use = "the silence ends when the guard is dropped"]
pub struct Mute {
    what: Muted,
}

enum Muted {
    Connection(Link),
    Pattern(Weak<Core>, Pattern),
}

impl Mute {
    pub(crate) fn pattern(core: &Arc<Core>, pattern: Pattern) -> Self {
        core.change_settings(|settings| settings.mutes.push(pattern.clone()));
        Self { what: Muted::Pattern(Arc::downgrade(core), pattern) }
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        match &self.what {
            Muted::Connection(link) => {
                link.look(Header::unmute);
            }
            Muted::Pattern(core, pattern) => {
                if let Some(core) = core.upgrade() {
                    core.change_settings(|settings| {
                        let mutes = &mut settings.mutes;
                        mutes.iter().position(|other| other == pattern).map(|at| mutes.swap_remove(at))
                    });
                }
            }
        }
    }
}

impl fmt::Debug for Mute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Muted::Connection(link) => write!(f, "Mute({:?})", link.id),
            Muted::Pattern(_, pattern) => write!(f, "Mute({pattern})"),
        }
    }
}
