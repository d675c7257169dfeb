//! Resident memory, from `/proc/self/statm`, of a process of its own for each row, because freed memory is used again.

use std::process::Command;

use sigtree::{Bus, Connection, ConnectionSet};

use crate::scale::World;
use crate::table::Table;
use crate::tracks::{TRACK, Track, see};

pub(crate) fn rows(table: &mut Table) {
    if !table.wants("memory") {
        return;
    }
    // A handler of the bare limit is a `Box`, and has no pattern.
    let bare = size_of::<Box<dyn Fn(&Track) + Send + Sync>>() as f64;
    table.most("bytes per subscription at 1M distinct patterns", in_a_process("subscriptions"), bare, "B", 450.0);
    table.most("bytes per further handler", in_a_process("handlers"), bare, "B", 112.0);
    table.most("growth over 10 million distinct topics, nobody listening", in_a_process("topics"), 0.0, "KiB", 64.0);
}

const CHILD: &str = "SIGTREE_BENCH_MEMORY_OF";

/// What this program says of a row when it is asked for that row alone.
fn in_a_process(row: &str) -> f64 {
    let output = std::env::current_exe().and_then(|program| Command::new(program).env(CHILD, row).output());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.trim().parse().unwrap_or(f64::NAN)
}

/// Measures one row and prints it, if this process was started for it.
pub(crate) fn answer() -> bool {
    let Ok(row) = std::env::var(CHILD) else { return false };
    let figure = match row.as_str() {
        "subscriptions" => subscriptions(),
        "handlers" => handlers(),
        _ => distinct_topics(),
    };
    println!("{figure}");
    true
}

fn subscriptions() -> f64 {
    const SIZE: usize = 1_000_000;
    drop(World::new(1_000));
    let before = resident();
    let world = World::new(SIZE);
    // Without the connections the world keeps, which are the users'.
    let bytes = (resident() - before) / SIZE as f64 - size_of::<Connection>() as f64;
    drop(world);
    bytes
}

fn handlers() -> f64 {
    const SIZE: usize = 1_000_000;
    let bus = Bus::new();
    let mut ids = Vec::with_capacity(SIZE);
    let before = resident();
    for _ in 0..SIZE {
        ids.push(bus.connect("radar.track", see).expect("a good pattern").detach());
    }
    // Without the ids, whose pages were touched in the same time.
    (resident() - before) / SIZE as f64 - size_of_val(&ids[0]) as f64
}

fn distinct_topics() -> f64 {
    const TOPICS: usize = 10_000_000;
    let bus = Bus::new();
    let _others: ConnectionSet = (0..1_000).map(|n| bus.connect(format!("other.{n}.*"), see).expect("good")).collect();
    let mut topic = String::new();
    let mut emit = |n: usize| {
        use std::fmt::Write;
        topic.clear();
        write!(topic, "radar.track.{n}").expect("a string");
        bus.emit_ref(&topic, &TRACK);
    };
    (0..TOPICS / 10).for_each(&mut emit);
    let before = resident();
    (TOPICS / 10..TOPICS).for_each(&mut emit);
    (resident() - before) / 1024.0
}

/// Resident bytes of this process.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(f64::NAN);
    pages * 4096.0
}
