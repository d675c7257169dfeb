/// What a layer is in the middle of, for whoever looks into a bus: from [`Middleware::standing`](crate::Middleware::standing).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// How many events it holds back.
    pub held: u64,
    /// How many events it keeps that did not get through: dead letters.
    pub dead: u64,
    /// What else there is to know, a line each: which circuits are open.
    pub notes: Vec<Box<str>>,
}

impl Standing {
    /// It holds so many events back.
    #[must_use]
    pub fn holding(held: u64) -> Self {
        Self { held, ..Self::default() }
    }

    /// It keeps so many dead letters.
    #[must_use]
    pub fn keeping_dead(dead: u64) -> Self {
        Self { dead, ..Self::default() }
    }

    /// One more line about it.
    #[must_use]
    pub fn noting(mut self, note: impl Into<Box<str>>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// What two layers are in the middle of, that are one to whoever looks.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.held += other.held;
        self.dead += other.dead;
        self.notes.extend(other.notes);
        self
    }
}
