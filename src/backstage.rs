//! What a bus has besides its dispatch: settings, the queues of its subscriptions, a pool. No emit looks here.

mod outlet;

use std::io;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::bus::Bus;
use crate::config::BusConfig;
use crate::dispatch::core::Core;
use crate::executor::WorkerPool;
use crate::last::LastValues;
use crate::lifecycle::Gate;
use crate::mode::Reliable;
use crate::queue::Queue;
use crate::reliable::{Rules, Standards};

pub(crate) use outlet::{Outlet, PipeOutlet};

pub(crate) struct Backstage {
    config: Mutex<BusConfig>,
    /// The part of it that reliable connections ask for again and again.
    standards: Arc<Standards>,
    outlets: Mutex<Outlets>,
    /// Started when somebody first asks for it.
    pool: Mutex<Option<WorkerPool>>,
    pub(crate) last: LastValues,
    /// The pauses that may not be over.
    gates: Mutex<Vec<Weak<Gate>>>,
    /// Every route holds it while it lives, so its count tells whether an emit is on one.
    routes: Arc<()>,
    /// Every event that is held, and every one that goes on, holds this.
    homes: Arc<()>,
}

/// The queues of subscriptions.
#[derive(Default)]
struct Outlets {
    all: Vec<Arc<dyn Outlet>>,
    /// When there are so many, those that are gone are looked for.
    tidy_at: usize,
}

/// What could not be taken over of a configuration.
pub(crate) struct Trouble {
    /// How many queues do something else when they are full than new ones.
    pub(crate) keep_overflow: usize,
    /// Why there are not as many threads as there should be.
    pub(crate) workers: Option<io::Error>,
}

impl Backstage {
    pub(crate) fn new(config: BusConfig) -> Self {
        Self {
            standards: Standards::of(&config),
            config: Mutex::new(config),
            outlets: Mutex::default(),
            pool: Mutex::default(),
            last: LastValues::default(),
            gates: Mutex::default(),
            routes: Arc::default(),
            homes: Arc::default(),
        }
    }

    pub(crate) fn config(&self) -> BusConfig {
        self.config.lock().clone()
    }

    /// The queue of a subscription that was given no other.
    pub(crate) fn queue(&self) -> Queue {
        self.config.lock().queue()
    }

    /// What a reliable connection goes by.
    pub(crate) fn rules(&self, chosen: Reliable) -> Rules {
        Rules::new(chosen, self.standards.clone())
    }

    /// Notes a queue.
    pub(crate) fn add_outlet(&self, outlet: Arc<dyn Outlet>) {
        let known = outlet.clone();
        {
            let mut outlets = self.outlets.lock();
            if outlets.all.len() >= outlets.tidy_at {
                outlets.all.retain(|outlet| !outlet.is_gone());
                outlets.tidy_at = 2 * outlets.all.len() + 8;
            }
            outlets.all.push(outlet);
        }
        // It was made before it was known here, where a change finds it.
        known.take_over(&self.config());
    }

    /// The queues that somebody can take from.
    pub(crate) fn outlets(&self) -> Vec<Arc<dyn Outlet>> {
        let mut outlets = self.outlets.lock();
        outlets.all.retain(|outlet| !outlet.is_gone());
        outlets.all.clone()
    }

    /// Notes a pause.
    pub(crate) fn add_gate(&self, gate: &Arc<Gate>) {
        let mut gates = self.gates.lock();
        gates.retain(|gate| gate.strong_count() > 0);
        gates.push(Arc::downgrade(gate));
    }

    /// The pauses, the latest first: it stands behind the others, so what waits there goes on before.
    pub(crate) fn gates(&self) -> Vec<Arc<Gate>> {
        self.gates.lock().iter().rev().filter_map(Weak::upgrade).collect()
    }

    /// What a route holds while it lives.
    pub(crate) fn route_token(&self) -> Arc<()> {
        self.routes.clone()
    }

    /// How many routes there are, those that are remembered and those that emits are on.
    pub(crate) fn routes(&self) -> usize {
        Arc::strong_count(&self.routes) - 1
    }

    /// What an event holds from when a layer holds it to when it is through.
    pub(crate) fn home_token(&self) -> Arc<()> {
        self.homes.clone()
    }

    /// How many events are held or go on.
    pub(crate) fn homes(&self) -> usize {
        Arc::strong_count(&self.homes) - 1
    }

    /// The pool, if it was started.
    pub(crate) fn pool(&self) -> Option<WorkerPool> {
        self.pool.lock().clone()
    }

    /// Takes over sizes and times.
    pub(crate) fn reconfigure(&self, config: &BusConfig) -> Trouble {
        *self.config.lock() = config.clone();
        self.standards.change(config);
        let mut keep_overflow = 0;
        for outlet in self.outlets().iter().filter(|outlet| outlet.has_default_queue()) {
            outlet.take_over(config);
            keep_overflow += usize::from(!outlet.overflows_as(config.overflow));
        }
        let workers = self.pool().and_then(|pool| {
            keep_overflow += usize::from(!pool.overflow().is_like(config.pool_queue().when_full()));
            pool.resize_queue(config.queue_size.max(1));
            pool.set_patience(config.block_timeout);
            pool.resize(config.workers).err()
        });
        Trouble { keep_overflow, workers }
    }
}

impl Bus {
    /// The bus's own pool, for [`On::on`](crate::On::on): its threads are started when it is first asked for, and end with the bus.
    ///
    /// [`BusConfig`] says how many threads there are, and how many jobs wait; [`reconfigure`](Bus::reconfigure) changes
    /// that. A child has its parent's.
    ///
    /// # Errors
    ///
    /// If the system has no more threads.
    ///
    /// # Examples
    ///
    /// ```
    /// use sigtree::{Bus, BusConfig};
    ///
    /// let bus = Bus::with(&BusConfig::new().workers(2));
    /// let _slow = bus.on("scan").on(bus.pool()?).connect(|n: &u64| println!("{}", (1..=*n).sum::<u64>()))?;
    /// bus.emit("scan", 1_000_u64);
    /// bus.pool()?.drain(std::time::Duration::from_secs(60))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pool(&self) -> io::Result<WorkerPool> {
        root(self.core()).backstage.pool_of(self.name())
    }
}

fn root(core: &Arc<Core>) -> &Arc<Core> {
    core.parent.as_ref().map_or(core, |parent| root(&parent.core))
}

impl Backstage {
    fn pool_of(&self, name: &str) -> io::Result<WorkerPool> {
        let mut pool = self.pool.lock();
        // Read under the lock, so that a change either is seen here or finds the pool.
        let config = self.config();
        match &*pool {
            Some(pool) => Ok(pool.clone()),
            None => {
                let started =
                    WorkerPool::builder().name(name).max_workers(config.workers).queue(config.pool_queue()).start()?;
                Ok(pool.insert(started).clone())
            }
        }
    }
}
