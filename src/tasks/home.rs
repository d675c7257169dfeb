//! [`Home`]: where calls run that begin in a thread without a runtime.

use std::sync::Arc;
#[cfg(feature = "tokio")]
use std::sync::OnceLock;

use super::spawner::{Spawner, Task};
use crate::dispatch::core::Core;

/// What runs the calls of a handler, whatever thread they begin in.
pub(super) struct Home {
    spawner: Option<Arc<dyn Spawner>>,
    /// The first one that was at hand.
    #[cfg(feature = "tokio")]
    runtime: OnceLock<tokio::runtime::Handle>,
}

/// What an emit says that finds none.
pub(super) const NOWHERE: &str = "nothing runs async handlers here: give the bus a spawner";

impl Home {
    /// The bus's spawner, or the runtime at hand.
    pub(super) fn of(core: &Core) -> Self {
        let home = Self {
            spawner: core.spawner.clone(),
            #[cfg(feature = "tokio")]
            runtime: OnceLock::new(),
        };
        home.is_found();
        home
    }

    /// Whether there is one, now that this thread may have one at hand; then there always is.
    pub(super) fn is_found(&self) -> bool {
        if self.spawner.is_some() {
            return true;
        }
        #[cfg(feature = "tokio")]
        {
            if self.runtime.get().is_none()
                && let Ok(runtime) = tokio::runtime::Handle::try_current()
            {
                let _ = self.runtime.set(runtime);
            }
            self.runtime.get().is_some()
        }
        #[cfg(not(feature = "tokio"))]
        false
    }

    /// Runs a task: on the bus's spawner, on the runtime at hand, or on the one that was. If there is none, it is dropped.
    pub(super) fn spawn(&self, task: Task) {
        if let Some(spawner) = &self.spawner {
            return spawner.spawn(task);
        }
        #[cfg(feature = "tokio")]
        {
            let at_hand = tokio::runtime::Handle::try_current().ok();
            if let Some(runtime) = at_hand.as_ref().or(self.runtime.get()) {
                drop(runtime.spawn(task));
            }
        }
        #[cfg(not(feature = "tokio"))]
        drop(task);
    }
}
