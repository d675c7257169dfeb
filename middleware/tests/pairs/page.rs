//! The page `PAIRS.md`, as far as a program can read it.

use crate::pieces::Piece;

const PAGE: &str = include_str!("../../PAIRS.md");

/// One line of the table of pairs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: &'static str,
    /// Whether handlers are called alike in both orders.
    pub(crate) alike: bool,
    one: Vec<Piece>,
    other: Vec<Piece>,
}

pub(crate) fn lines() -> Vec<Line> {
    let kinds = kinds();
    table("# Pairs").map(|(text, cells)| Line::read(text, &cells, &kinds)).collect()
}

/// The kinds by name.
pub(crate) fn kinds() -> Vec<(&'static str, Vec<Piece>)> {
    table("# Kinds").map(|(_, cells)| (cells[0], cells[2].split(", ").map(piece).collect())).collect()
}

impl Line {
    fn read(text: &'static str, cells: &[&'static str], kinds: &[(&'static str, Vec<Piece>)]) -> Self {
        let named = |cell: &'static str| {
            let pieces = cell.split(", ").map(|name| match kinds.iter().find(|(kind, _)| *kind == name) {
                Some((_, pieces)) => pieces.clone(),
                None => vec![piece(name)],
            });
            pieces.flatten().collect()
        };
        let alike = match cells[2] {
            "alike" => true,
            "differ" => false,
            other => panic!("handlers are called `{other}`: {text}"),
        };
        assert!(cells.len() == 5 && cells.iter().all(|cell| !cell.is_empty()), "{text}");
        Self { text, alike, one: named(cells[0]), other: named(cells[1]) }
    }

    pub(crate) fn names(&self, a: Piece, b: Piece) -> bool {
        let are = |a, b| self.one.contains(&a) && self.other.contains(&b);
        are(a, b) || are(b, a)
    }
}

/// The rows of the table below a heading.
fn table(heading: &str) -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let (_, below) = PAGE.split_once(&format!("\n{heading}\n")).expect("the heading");
    let rows = below.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|line| (line, line.trim_matches('|').split('|').map(str::trim).collect()))
}

fn piece(name: &str) -> Piece {
    let found = Piece::ALL.iter().find(|piece| format!("{piece:?}") == name);
    *found.unwrap_or_else(|| panic!("`{name}` is no piece"))
}
