//! Every promised figure beside the bare limit, measured in one run: `cargo bench --bench limits [NAME ...]`.
//!
//! The bare limit is a `Vec<Box<dyn Fn(&T) + Send + Sync>>` loop with the same handlers. What is compared is sampled in turns, and
//! medians and ratios of medians are printed, because absolute figures move with the machine.

mod allocations;
mod clock;
mod delivery;
mod emit;
mod memory;
mod metering;
mod pieces;
mod request;
mod scale;
mod table;
mod threads;
mod tracks;
mod write;

fn main() {
    if memory::answer() {
        return;
    }
    let names: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let mut table = table::Table::new(names);
    emit::rows(&mut table);
    pieces::rows(&mut table);
    metering::rows(&mut table);
    request::rows(&mut table);
    threads::rows(&mut table);
    write::rows(&mut table);
    scale::rows(&mut table);
    memory::rows(&mut table);
    delivery::rows(&mut table);
    table.finish();
}
