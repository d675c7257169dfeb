//! `sigtree completions`: what a shell needs to complete commands.

use clap_complete::{Shell, generate};
use serde_json::json;

use crate::args;
use crate::output::Output;
use crate::trouble::{Trouble, Verdict};

/// Write the completions for a shell
///
/// For instance: sigtree completions bash > ~/.local/share/bash-completion/completions/sigtree
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<Verdict, Trouble> {
    let mut script = Vec::new();
    generate(args.shell, &mut args::Args::grammar(), "sigtree", &mut script);
    let script = String::from_utf8_lossy(&script);
    let script = script.trim_end();
    match output.is_json() {
        true => output.object(&json!({ "shell": args.shell.to_string(), "script": script }))?,
        false => output.line(script)?,
    }
    Ok(Verdict::Fine)
}
