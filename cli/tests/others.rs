//! `sigtree bench` and `sigtree completions` say something, for people and for programs.

mod support;

use support::Place;

#[test]
fn the_bench_compares_with_a_bare_loop() {
    let place = Place::new();
    let said = place.run(&["bench", "--samples", "3"]).fine();
    assert!(
        said.out.contains("to 100 handlers ") && said.out.contains("a loop over the same handlers"),
        "{}",
        said.out
    );
    let rows = place.run(&["bench", "--samples", "1", "--json"]).fine().json();
    let rows = rows["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 7);
    assert!(rows.iter().all(|row| row["sigtree"].as_f64().unwrap() > 0.0 && row["limit"].as_f64().unwrap() > 0.0));
}

#[test]
fn shells_can_complete_every_command() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(&["completions", shell]).fine().out;
        assert!(["tail", "replay", "completions", "no-follow"].iter().all(|word| script.contains(word)), "{shell}");
        let json = place.run(&["completions", shell, "--json"]).fine().json();
        assert_eq!(json["script"].as_str().unwrap(), script.trim_end());
    }
}
