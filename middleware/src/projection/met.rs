//! The times of events that were met, to notice when another one has the same id.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::SystemTime;

use super::snapshot::{RECENT, Recent};
use crate::{Entry, EventId};

/// The times of the events met while a projection catches up, by their ids.
#[derive(Default)]
pub(super) struct Met {
    times: HashMap<EventId, SystemTime>,
    /// Those that are forgotten again, the oldest in front: all but the events known before.
    passing: VecDeque<EventId>,
}

impl Met {
    /// Notes an entry; `false` if another one with its id was met, which a replay of it, or a copy, is not.
    pub(super) fn is_first_of_its_id(&mut self, entry: &Entry, known: &Recent) -> bool {
        let (id, time) = (entry.id(), entry.time());
        if let Some(met) = self.times.insert(id, time) {
            return met == time;
        }
        if !known.contains(id) {
            self.passing.push_back(id);
        }
        if self.passing.len() > RECENT
            && let Some(oldest) = self.passing.pop_front()
        {
            self.times.remove(&oldest);
        }
        true
    }
}
