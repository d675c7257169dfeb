//! The handlers of one pattern: a persistent table, so that an emit reads one version while writers make the next.
//!
//! Up to 32 handlers stand in one leaf; more of them in a tree of three levels with a fan-out of 32, of which a change
//! copies one path. The youngest stand in a leaf beside the tree, its tail (after Clojure's persistent vector), so that the
//! changes there are most of copy one leaf. Handlers stand in order of age. Other priorities than 0 make a list of such
//! tables, highest first.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::alike::Uniform;
use super::failure::Flow;
use super::round::{Loud, Quiet, Round};
use super::slot::{Called, Entry, Slot};

const FAN_OUT: usize = 32;

/// One version of a pattern's handlers; never empty.
pub(crate) enum Table {
    One(Entry),
    Few(Leaf),
    Tree(Tree),
    Bands(Box<[Band]>),
}

/// The handlers of one priority.
#[derive(Clone)]
pub(crate) struct Band {
    pub(crate) priority: i32,
    pub(crate) table: Arc<Table>,
}

/// More handlers than a leaf holds.
#[derive(Clone)]
pub(crate) struct Tree {
    branches: Arc<[Arc<Branch>]>,
    /// Younger than all in the branches.
    tail: Option<Arc<Leaf>>,
    /// How many of the handlers keep payloads.
    retainers: u32,
    /// How many of them are not quiet.
    loud: u32,
}

struct Branch(Box<[Arc<Leaf>]>);

/// Up to 32 handlers.
pub(crate) enum Leaf {
    Mixed(Box<[Entry]>),
    Uniform(Box<dyn Uniform>),
}

impl Table {
    /// Calls the handlers in order.
    #[inline(always)]
    pub(crate) fn run(&self, call: &Loud<'_>) -> Flow {
        match self {
            Self::One(entry) => run_slot(&**entry, call, |slot| slot.invoke(call.event)),
            Self::Few(leaf) => leaf.run(call),
            Self::Tree(tree) => tree.each_leaf(|leaf| leaf.run(call)),
            Self::Bands(bands) => run_each(bands, |band| band.table.run(call)),
        }
    }

    /// Calls handlers that are all quiet in order.
    #[inline]
    pub(crate) fn run_quiet(&self, call: &Quiet<'_, '_>) -> Flow {
        match self {
            Self::One(entry) => {
                run_slot(&**entry, call, |slot| slot.invoke_keeping(call.errand.payload, call.errand.kept))
            }
            more => more.run_more_quiet(call),
        }
    }

    /// The same for more than one; apart, so that the way of one handler is short.
    #[inline(never)]
    fn run_more_quiet(&self, call: &Quiet<'_, '_>) -> Flow {
        match self {
            Self::One(_) => self.run_quiet(call),
            Self::Few(leaf) => leaf.run_quiet(call),
            Self::Tree(tree) => tree.each_leaf(|leaf| leaf.run_quiet(call)),
            Self::Bands(bands) => run_each(bands, |band| band.table.run_quiet(call)),
        }
    }

    /// Whether all handlers can be called without an event.
    pub(crate) fn is_quiet(&self) -> bool {
        match self {
            Self::One(entry) => entry.is_quiet(),
            Self::Few(leaf) => leaf.slots().all(Slot::is_quiet),
            Self::Tree(tree) => tree.loud == 0,
            Self::Bands(bands) => bands.iter().all(|band| band.table.is_quiet()),
        }
    }

    /// The tables of the priorities, highest first; a table without other priorities than 0 is its own only band.
    pub(crate) fn bands(self: &Arc<Self>) -> impl Iterator<Item = (i32, &Arc<Self>)> {
        let (plain, bands) = match &**self {
            Self::Bands(bands) => (None, &**bands),
            _ => (Some((0, self)), &[][..]),
        };
        plain.into_iter().chain(bands.iter().map(|band| (band.priority, &band.table)))
    }

    pub(crate) fn retains(&self) -> bool {
        match self {
            Self::One(entry) => entry.retains(),
            Self::Few(leaf) => leaf.slots().any(Slot::retains),
            Self::Tree(tree) => tree.retainers > 0,
            Self::Bands(bands) => bands.iter().any(|band| band.table.retains()),
        }
    }

    /// How many handlers there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Few(leaf) => leaf.len(),
            Self::Tree(tree) => tree.leaves().map(|leaf| leaf.len()).sum(),
            Self::Bands(bands) => bands.iter().map(|band| band.table.len()).sum(),
        }
    }

    /// Looks at every handler in order.
    pub(crate) fn for_each(&self, look: &mut dyn FnMut(&dyn Slot)) {
        self.try_each(&mut |slot| {
            look(slot);
            Flow::Go
        });
    }

    /// Looks at the handlers in order until one says that it is over.
    pub(crate) fn try_each(&self, look: &mut dyn FnMut(&dyn Slot) -> Flow) -> Flow {
        match self {
            Self::One(entry) => look(&**entry),
            Self::Few(leaf) => leaf.try_each(look),
            Self::Tree(tree) => tree.each_leaf(|leaf| leaf.try_each(look)),
            Self::Bands(bands) => run_each(bands, |band| band.table.try_each(look)),
        }
    }

    /// The version with one more handler, younger than all others.
    pub(crate) fn with(table: Option<&Self>, priority: i32, entry: Entry) -> Self {
        let single = |entry| Band { priority, table: Arc::new(Self::One(entry)) };
        match table {
            None if priority == 0 => Self::One(entry),
            None => Self::Bands(Box::new([single(entry)])),
            Some(Self::Bands(bands)) => {
                let mut bands = bands.to_vec();
                match bands.binary_search_by(|band| priority.cmp(&band.priority)) {
                    Ok(at) => bands[at].table = Arc::new(bands[at].table.push(entry)),
                    Err(at) => bands.insert(at, single(entry)),
                }
                Self::Bands(bands.into())
            }
            Some(plain) if priority == 0 => plain.push(entry),
            Some(plain) => {
                let zero = Band { priority: 0, table: Arc::new(plain.share()) };
                let other = single(entry);
                Self::Bands(if priority > 0 { Box::new([other, zero]) } else { Box::new([zero, other]) })
            }
        }
    }

    /// The handler of this age.
    pub(crate) fn get(&self, age: u64) -> Option<Entry> {
        match self {
            Self::One(entry) => (entry.header().age() == age).then(|| entry.clone()),
            Self::Few(leaf) => leaf.position(age).map(|at| leaf.entry(at)),
            Self::Tree(tree) => tree.get(age),
            Self::Bands(bands) => bands.iter().find_map(|band| band.table.get(age)),
        }
    }

    /// The version without the handler of this age: `None` if it was the only one.
    pub(crate) fn without(&self, age: u64) -> Option<Self> {
        match self {
            Self::One(entry) if entry.header().age() == age => None,
            Self::Few(leaf) => match leaf.position(age) {
                Some(at) if leaf.len() == 2 => Some(Self::One(leaf.entry(1 - at))),
                Some(at) => leaf.without(at).map(Self::Few),
                None => Some(self.share()),
            },
            Self::Tree(tree) => tree.without(age).map(Tree::into_table),
            Self::Bands(bands) => {
                let at = bands.iter().position(|band| band.table.get(age).is_some());
                let Some(at) = at else { return Some(self.share()) };
                let mut bands = bands.to_vec();
                match bands[at].table.without(age) {
                    Some(table) => bands[at].table = Arc::new(table),
                    None => drop(bands.remove(at)),
                }
                match &*bands {
                    [] => None,
                    [Band { priority: 0, table }] => Some(table.share()),
                    _ => Some(Self::Bands(bands.into())),
                }
            }
            Self::One(_) => Some(self.share()),
        }
    }

    fn push(&self, entry: Entry) -> Self {
        match self {
            Self::One(first) => Self::Few(Leaf::of(&[first.clone(), entry])),
            Self::Few(leaf) if leaf.len() < FAN_OUT => Self::Few(leaf.with(entry)),
            Self::Few(leaf) => Self::Tree(Tree::grown_from(leaf, entry)),
            Self::Tree(tree) => Self::Tree(tree.with(entry)),
            Self::Bands(_) => unreachable!("a band holds handlers of one priority"),
        }
    }

    /// The same version once more; its handlers are shared.
    fn share(&self) -> Self {
        match self {
            Self::One(entry) => Self::One(entry.clone()),
            Self::Few(leaf) => Self::Few(leaf.share()),
            Self::Tree(tree) => Self::Tree(tree.clone()),
            Self::Bands(bands) => Self::Bands(bands.clone()),
        }
    }
}

impl Tree {
    fn each_leaf(&self, mut run: impl FnMut(&Leaf) -> Flow) -> Flow {
        let flow = run_each(&self.branches, |branch| run_each(&branch.0, |leaf| run(leaf)));
        match &self.tail {
            Some(tail) if flow == Flow::Go => run(tail),
            _ => flow,
        }
    }

    fn leaves(&self) -> impl Iterator<Item = &Arc<Leaf>> {
        self.branches.iter().flat_map(|branch| branch.0.iter()).chain(&self.tail)
    }

    fn grown_from(full: &Leaf, entry: Entry) -> Self {
        let count = |test: fn(&dyn Slot) -> bool| full.slots().filter(|slot| test(*slot)).count() as u32;
        let (retainers, loud) = (count(|slot| slot.retains()), count(|slot| !slot.is_quiet()));
        let tail = Some(Arc::new(full.share()));
        Self { branches: Arc::new([]), tail, retainers, loud }.with(entry)
    }

    fn with(&self, entry: Entry) -> Self {
        let retainers = self.retainers + u32::from(entry.retains());
        let loud = self.loud + u32::from(!entry.is_quiet());
        let (branches, tail) = match &self.tail {
            None => (self.branches.clone(), Leaf::of(&[entry])),
            Some(tail) if tail.len() < FAN_OUT => (self.branches.clone(), tail.with(entry)),
            Some(full) => (self.branches_with(full.clone()), Leaf::of(&[entry])),
        };
        Self { branches, tail: Some(Arc::new(tail)), retainers, loud }
    }

    /// The branches with one more leaf, younger than all others.
    fn branches_with(&self, leaf: Arc<Leaf>) -> Arc<[Arc<Branch>]> {
        match self.branches.last() {
            Some(last) if last.0.len() < FAN_OUT => {
                let leaves = with_push(&last.0, leaf);
                with_set(&self.branches, self.branches.len() - 1, Some(Arc::new(Branch(leaves))))
            }
            _ => with_push(&self.branches, Arc::new(Branch(Box::new([leaf])))),
        }
    }

    /// Where in the branches the handler of this age stands: branch, leaf, place.
    fn find(&self, age: u64) -> Option<(usize, usize, usize)> {
        let branch = self.branches.partition_point(|branch| branch.0[0].first_age() <= age).checked_sub(1)?;
        let leaves = &self.branches[branch].0;
        let leaf = leaves.partition_point(|leaf| leaf.first_age() <= age).checked_sub(1)?;
        leaves[leaf].position(age).map(|at| (branch, leaf, at))
    }

    fn get(&self, age: u64) -> Option<Entry> {
        if let Some((tail, at)) = self.in_tail(age) {
            return Some(tail.entry(at));
        }
        self.find(age).map(|(branch, leaf, at)| self.branches[branch].0[leaf].entry(at))
    }

    fn in_tail(&self, age: u64) -> Option<(&Leaf, usize)> {
        let tail = self.tail.as_deref()?;
        tail.position(age).map(|at| (tail, at))
    }

    fn without(&self, age: u64) -> Option<Self> {
        if let Some((tail, at)) = self.in_tail(age) {
            return self.less(tail.get(at), self.branches.clone(), tail.without(at).map(Arc::new));
        }
        let Some((branch, leaf, at)) = self.find(age) else { return Some(self.clone()) };
        let leaves = &self.branches[branch].0;
        let left: Box<[_]> = with_set(leaves, leaf, leaves[leaf].without(at).map(Arc::new));
        let branch_left = (!left.is_empty()).then(|| Arc::new(Branch(left)));
        self.less(leaves[leaf].get(at), with_set(&self.branches, branch, branch_left), self.tail.clone())
    }

    /// The smallest table that holds its handlers: a tree of one leaf is that leaf.
    fn into_table(self) -> Table {
        let mut leaves = self.leaves();
        match (leaves.next(), leaves.next()) {
            (Some(leaf), None) if leaf.len() == 1 => Table::One(leaf.entry(0)),
            (Some(leaf), None) => Table::Few(leaf.share()),
            _ => {
                drop(leaves);
                Table::Tree(self)
            }
        }
    }

    /// What is left when a handler is gone: `None` if it was the last one.
    fn less(&self, gone: &dyn Slot, branches: Arc<[Arc<Branch>]>, tail: Option<Arc<Leaf>>) -> Option<Self> {
        let retainers = self.retainers - u32::from(gone.retains());
        let loud = self.loud - u32::from(!gone.is_quiet());
        (!branches.is_empty() || tail.is_some()).then_some(Self { branches, tail, retainers, loud })
    }
}

impl Leaf {
    fn of(entries: &[Entry]) -> Self {
        let uniform = entries[0].clone().uniform();
        let mut leaf = uniform.map_or_else(|| Self::Mixed(Box::new([entries[0].clone()])), Self::Uniform);
        for entry in &entries[1..] {
            leaf = leaf.with(entry.clone());
        }
        leaf
    }

    #[inline]
    fn run(&self, call: &Loud<'_>) -> Flow {
        match self {
            Self::Mixed(entries) => run_slots(entries, call, |slot| slot.invoke(call.event)),
            Self::Uniform(uniform) => uniform.run(call),
        }
    }

    #[inline]
    fn run_quiet(&self, call: &Quiet<'_, '_>) -> Flow {
        match self {
            Self::Mixed(entries) => {
                run_slots(entries, call, |slot| slot.invoke_keeping(call.errand.payload, call.errand.kept))
            }
            Self::Uniform(uniform) => uniform.run_quiet(call),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Mixed(entries) => entries.len(),
            Self::Uniform(uniform) => uniform.len(),
        }
    }

    fn get(&self, at: usize) -> &dyn Slot {
        match self {
            Self::Mixed(entries) => &*entries[at],
            Self::Uniform(uniform) => uniform.get(at),
        }
    }

    fn try_each(&self, look: &mut dyn FnMut(&dyn Slot) -> Flow) -> Flow {
        if self.slots().all(|slot| look(slot) == Flow::Go) { Flow::Go } else { Flow::End }
    }

    fn slots(&self) -> impl Iterator<Item = &dyn Slot> {
        (0..self.len()).map(|at| self.get(at))
    }

    fn entry(&self, at: usize) -> Entry {
        match self {
            Self::Mixed(entries) => entries[at].clone(),
            Self::Uniform(uniform) => uniform.entry(at),
        }
    }

    fn first_age(&self) -> u64 {
        self.get(0).header().age()
    }

    fn position(&self, age: u64) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.get(middle).header().age() < age { low = middle + 1 } else { high = middle }
        }
        (low < self.len() && self.get(low).header().age() == age).then_some(low)
    }

    fn with(&self, entry: Entry) -> Self {
        match self {
            Self::Mixed(entries) => Self::Mixed(with_push(entries, entry)),
            Self::Uniform(uniform) => uniform.with(&entry).map_or_else(
                || Self::Mixed((0..uniform.len()).map(|at| uniform.entry(at)).chain([entry]).collect()),
                Self::Uniform,
            ),
        }
    }

    fn without(&self, at: usize) -> Option<Self> {
        match self {
            _ if self.len() == 1 => None,
            Self::Mixed(entries) => Some(Self::Mixed(with_set(entries, at, None))),
            Self::Uniform(uniform) => Some(Self::Uniform(uniform.without(at))),
        }
    }

    fn share(&self) -> Self {
        match self {
            Self::Mixed(entries) => Self::Mixed(entries.clone()),
            Self::Uniform(uniform) => Self::Uniform(uniform.share()),
        }
    }
}

/// Calls one slot.
#[inline]
pub(super) fn run_slot<S: Slot + ?Sized, R: Round>(slot: &S, round: &R, call: impl Fn(&S) -> Called) -> Flow {
    match catch_unwind(AssertUnwindSafe(|| call(slot))) {
        Ok(Called::Done) => {
            round.add_called(1);
            Flow::Go
        }
        Ok(called) => round.note(called, slot.seen()),
        Err(panic) => round.panicked(panic, slot.seen()),
    }
}

/// Calls slots in order. A panic is caught around the whole run, which then goes on behind the handler that panicked: so
/// isolation costs one landing pad a run and one store a handler.
#[inline]
pub(super) fn run_slots<S: Slot + ?Sized, R: Round>(slots: &[Arc<S>], round: &R, call: impl Fn(&S) -> Called) -> Flow {
    let at = Cell::new(0);
    let unusual = Cell::new(0);
    let mut from = 0;
    loop {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            for (i, slot) in slots.iter().enumerate().skip(from) {
                at.set(i);
                let called = call(slot);
                if called != Called::Done {
                    unusual.set(unusual.get() + 1);
                    if round.note(called, slot.seen()) == Flow::End {
                        return Flow::End;
                    }
                }
            }
            Flow::Go
        }));
        match caught {
            Ok(flow) => {
                let seen = if flow == Flow::Go { slots.len() } else { at.get() + 1 };
                round.add_called((seen - from) as u32 - unusual.get());
                return flow;
            }
            Err(panic) => {
                round.add_called((at.get() - from) as u32 - unusual.take());
                if round.panicked(panic, slots[at.get()].seen()) == Flow::End {
                    return Flow::End;
                }
                from = at.get() + 1;
            }
        }
    }
}

/// Runs parts in order until one says that it is over.
#[inline]
pub(super) fn run_each<'p, T>(parts: &'p [T], mut run: impl FnMut(&'p T) -> Flow) -> Flow {
    for part in parts {
        if run(part) == Flow::End {
            return Flow::End;
        }
    }
    Flow::Go
}

pub(super) fn with_push<T: Clone, B: From<Vec<T>>>(items: &[T], item: T) -> B {
    let mut copy = Vec::with_capacity(items.len() + 1);
    copy.extend_from_slice(items);
    copy.push(item);
    copy.into()
}

/// With the item at `at` replaced, or removed.
pub(super) fn with_set<T: Clone, B: From<Vec<T>>>(items: &[T], at: usize, item: Option<T>) -> B {
    let mut copy = Vec::with_capacity(items.len());
    copy.extend_from_slice(&items[..at]);
    copy.extend(item);
    copy.extend_from_slice(&items[at + 1..]);
    copy.into()
}
