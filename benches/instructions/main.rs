//! Instructions per emit on the hot paths, counted under valgrind: `cargo bench --bench instructions`.
//!
//! Times move with the machine, counts do not: the same compiler gives the same counts on every x86-64. So this fails if a path takes
//! over 5 % more than `baseline.txt` beside it says, which `cargo bench --bench instructions -- --refresh` writes anew.

mod paths;

use std::error::Error;
use std::fs;
use std::process::Command;

use paths::PATHS;

type Fallible<T> = Result<T, Box<dyn Error>>;

const BASELINE: &str = "benches/instructions/baseline.txt";
const GROWTH: f64 = 0.05;

fn main() -> Fallible<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--path", name, turns] => paths::run(name, turns.parse()?),
        ["--refresh", "--bench"] | ["--bench", "--refresh"] => refresh(),
        ["--bench"] => compare(),
        // `cargo test --all-targets` comes by without arguments.
        [] => Ok(()),
        _ => Err("unknown arguments; the only one is --refresh".into()),
    }
}

fn refresh() -> Fallible<()> {
    let mut text = String::new();
    for (name, _) in PATHS {
        text += &format!("{:>7.1}  {name}\n", count(name)?);
    }
    fs::write(BASELINE, &text)?;
    print!("{text}");
    Ok(())
}

fn compare() -> Fallible<()> {
    let baseline = fs::read_to_string(BASELINE)?;
    let mut grown = Vec::new();
    println!("{:<40} {:>10} {:>10} {:>9}", "instructions", "now", "baseline", "change");
    for (name, _) in PATHS {
        let now = count(name)?;
        let before = expected(&baseline, name).ok_or_else(|| format!("{BASELINE} does not know `{name}`"))?;
        println!("{name:<40} {now:>10.1} {before:>10.1} {:>+8.1}%", (now / before - 1.0) * 100.0);
        if now > before * (1.0 + GROWTH) {
            grown.push(name);
        }
    }
    if grown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "over 5 % more instructions than {BASELINE} says: {}; \
         if that is meant: cargo bench --bench instructions -- --refresh",
        grown.join("; ")
    )
    .into())
}

/// What the baseline says of a path.
fn expected(baseline: &str, name: &str) -> Option<f64> {
    let line = baseline.lines().find(|line| line.ends_with(&format!("  {name}")))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The instructions of one turn: what many turns take beyond few, so that what surrounds them does not count.
fn count(name: &str) -> Fallible<f64> {
    let [few, many] = [1_000, 11_000];
    Ok((total(name, many)? - total(name, few)?) / f64::from(many - few))
}

/// The instructions of a process that takes so many turns.
fn total(name: &str, turns: i32) -> Fallible<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--path", name, &turns.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    match collected {
        Some((_, total)) if output.status.success() => Ok(total.trim().parse()?),
        _ => Err(format!("valgrind failed on `{name}`:\n{said}").into()),
    }
}
