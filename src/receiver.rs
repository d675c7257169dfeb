use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

use parking_lot::Mutex;
use sigtree_middleware::IntoPattern;

use crate::bus::Bus;
use crate::connection::{ConnectionId, ConnectionSet};
use crate::error::Error;
use crate::handler::{Bound, IntoMethod};
use crate::on::On;

/// An object that listens for as long as somebody owns it.
///
/// Like an `Arc`, it is shared by cloning; when the last clone goes, its connections end and the object is dropped. The bus never
/// keeps it alive. Unlike a weak reference to a plain `Arc`, it costs no shared counter per call, so threads that emit to the same
/// receiver do not slow each other down.
///
/// An object that owns a clone of its own `Receiver` never dies, as with any `Arc`. One that owns a `Bus` or a `Signal` of the bus
/// it listens to keeps that bus alive until its last clone is dropped.
///
/// # Examples
///
/// ```
/// use sigtree::{Bus, Receiver};
///
/// struct Screen;
///
/// impl Screen {
///     fn show(&self, id: &u32) {
///         println!("track {id}");
///     }
/// }
///
/// let bus = Bus::new();
/// let screen = Receiver::new(Screen);
/// screen.connect(&bus, "track.*", Screen::show)?;
/// assert_eq!(bus.emit("track.new", 7_u32).called(), 1);
///
/// drop(screen);
/// assert_eq!(bus.emit("track.new", 8_u32).called(), 0);
/// # Ok::<(), sigtree::Error>(())
/// ```
pub struct Receiver<T>(Arc<Shell<T>>);

/// What the clones share. Slots hold the value, never the shell, so the shell's drop is the receiver's end.
struct Shell<T> {
    connections: Mutex<ConnectionSet>,
    value: Arc<T>,
}

impl<T: Send + Sync + 'static> Receiver<T> {
    /// Puts an object where it can listen.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Shell { connections: Mutex::default(), value: Arc::new(value) }))
    }

    /// Connects a method of the object until the last clone is dropped.
    ///
    /// # Errors
    ///
    /// As [`Bus::connect`].
    #[track_caller]
    pub fn connect<F, M>(&self, bus: &Bus, pattern: impl IntoPattern, method: F) -> Result<ConnectionId, Error>
    where
        F: IntoMethod<T, M>,
        M: 'static,
    {
        self.connect_on(bus.on(pattern), method)
    }

    /// The same with conditions: `screen.connect_on(bus.on("track.*").priority(5), Screen::show)`.
    ///
    /// # Errors
    ///
    /// As [`On::connect`].
    #[track_caller]
    pub fn connect_on<F, M>(&self, on: On, method: F) -> Result<ConnectionId, Error>
    where
        F: IntoMethod<T, M>,
        M: 'static,
    {
        let site = Location::caller();
        let call = Bound { receiver: self.0.value.clone(), method, form: PhantomData };
        let connection = on.connect_call(call, F::payload_type(), site)?;
        let id = connection.id();
        let ended = self.0.connections.lock().add_and_sweep(connection);
        drop(ended);
        Ok(id)
    }

    /// Ends all connections; the object lives on.
    pub fn disconnect_all(&self) {
        let connections = std::mem::take(&mut *self.0.connections.lock());
        drop(connections);
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Receiver<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&self.0.value).finish()
    }
}
