//! Every two stock pieces, stacked in both orders: each does what it does by itself, and the page of pairs says what that means.
#![cfg(all(feature = "governor", feature = "hdrhistogram", feature = "metrics", feature = "tower"))]

mod model;
mod page;
mod pieces;
mod script;

use std::collections::BTreeSet;
use std::fs;

use page::Line;
use pieces::Piece;

/// Every ordered pair, those of a piece with itself included.
fn ordered_pairs() -> impl Iterator<Item = [Piece; 2]> {
    Piece::ALL.iter().flat_map(|outer| Piece::ALL.iter().map(|inner| [*outer, *inner]))
}

/// Every two different pieces, once.
fn pairs() -> impl Iterator<Item = [Piece; 2]> {
    ordered_pairs().filter(|[one, other]| one < other)
}

#[test]
fn a_pair_does_what_one_does_and_then_the_other() {
    assert!(model::emits_at_round_times());
    let wrong: Vec<_> = ordered_pairs().filter(|pair| model::outcome(*pair) != pieces::outcome(*pair)).collect();
    if let Some(pair) = wrong.first() {
        assert_eq!(model::outcome(*pair), pieces::outcome(*pair), "{pair:?}, as one of {wrong:?}");
    }
}

#[test]
fn the_page_says_of_every_pair_whether_its_order_matters_to_handlers() {
    let lines = page::lines();
    let mut used = BTreeSet::new();
    for [one, other] in pairs() {
        let is_theirs = |line: &Line| line.names(one, other);
        let line = lines.iter().position(is_theirs).unwrap_or_else(|| panic!("no line for {one:?} and {other:?}"));
        used.insert(line);
        let [before, after] = [[one, other], [other, one]].map(|pair| pieces::outcome(pair).handlers);
        assert_eq!(before == after, lines[line].alike, "{one:?} and {other:?}: {}", lines[line].text);
    }
    let idle: Vec<_> = lines.iter().enumerate().filter(|(i, _)| !used.contains(i)).map(|(_, line)| line.text).collect();
    assert_eq!(idle, [""; 0], "lines of no pair");
}

#[test]
fn every_piece_is_of_one_kind_and_every_layer_of_the_crate_is_a_piece() {
    let mut all: Vec<Piece> = page::kinds().into_iter().flat_map(|(_, pieces)| pieces).collect();
    all.sort();
    assert_eq!(all, Piece::ALL);

    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let files = fs::read_dir(source).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    let texts: Vec<String> = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("impl"));
    let layers = lines.filter_map(|line| line.split_once("Middleware for ")?.1.split(['<', ' ']).next());
    // What is made of others: a stack, what stands where a layer was, closures, what macros write. And two that keep what
    // they see as a history does.
    let others = ["Stack", "Gap", "F", "Option", "$pointer", "($first,", "Recording", "Projection"];
    let layers = layers.filter(|name| !others.contains(name));
    let pieces: BTreeSet<String> = Piece::ALL.iter().map(|piece| format!("{piece:?}")).collect();
    assert_eq!(layers.map(str::to_owned).collect::<BTreeSet<_>>(), pieces, "is a new piece in the page of pairs?");
}
