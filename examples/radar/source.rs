//! Where the lines come from: one reader for a file, a receiver and a simulation.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::net::TcpStream;
use std::sync::Arc;

use crate::args::Source;
use crate::lines::Lines;
use crate::plot::Place;
use crate::scene::{SITE, Scene};

/// Lines, and what a person should know about them.
pub struct Input {
    pub title: String,
    pub total_bytes: Option<u64>,
    pub site: Option<Place>,
    /// The same input once more, if there is a way to have it.
    pub again: Option<Again>,
    pub lines: Lines<Box<dyn Read>>,
}

/// How to read an input a second time.
pub type Again = Box<dyn Fn() -> io::Result<Lines<Box<dyn Read>>>>;

/// Opens a source.
pub fn open(source: &Source) -> io::Result<Input> {
    match source {
        Source::Scene { seed, aircraft, duration } => {
            let scene = Scene::new(*seed, *aircraft, *duration);
            let title = format!(
                "SIMULATED: a scene of {aircraft} aircraft at a time for {} minutes, seed {seed}",
                duration.as_secs() / 60
            );
            Ok(Input { site: Some(SITE), ..Input::once(title, "the scene", Recital::of(scene)) })
        }
        Source::SpeedRun { seed, aircraft, lines } => Ok(speed_run(*seed, *aircraft, *lines)),
        Source::File(path) => {
            let name = path.display().to_string();
            let file = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
            let (metadata, file) = file.map_err(|error| named(&name, &error))?;
            let input = Input::once(format!("A recording: {name}"), &name, file);
            // What is no plain file, a pipe perhaps, can be read once only.
            if !metadata.is_file() {
                return Ok(input);
            }
            let path = path.clone();
            let again: Again = Box::new(move || Ok(Lines::new(name.clone(), Box::new(File::open(&path)?))));
            Ok(Input { total_bytes: Some(metadata.len()), again: Some(again), ..input })
        }
        Source::Stdin => Ok(Input::once("A recording: standard input".into(), "standard input", io::stdin())),
        Source::Receiver(address) => {
            let stream = TcpStream::connect(address).map_err(|error| named(address, &error))?;
            let title = format!("Live: the receiver at {address}; the picture is summed up when it hangs up");
            Ok(Input::once(title, address, stream))
        }
    }
}

impl Input {
    fn once(title: String, name: &str, input: impl Read + 'static) -> Self {
        Input { title, total_bytes: None, site: None, again: None, lines: Lines::new(name, Box::new(input)) }
    }
}

/// The lines are made before anybody looks at a clock.
fn speed_run(seed: u64, aircraft: usize, lines: usize) -> Input {
    let mut scene = Scene::endless(seed, aircraft);
    let mut text = Vec::new();
    for _ in 0..lines {
        scene.write_line(&mut text);
    }
    let total_bytes = Some(text.len() as u64);
    let text: Arc<[u8]> = text.into();
    let again: Again = Box::new(move || Ok(Lines::new("memory", Box::new(Cursor::new(text.clone())) as Box<dyn Read>)));
    Input {
        title: format!(
            "SIMULATED: a speed run over {lines} lines in memory, {aircraft} aircraft at a time, seed {seed}"
        ),
        total_bytes,
        site: Some(SITE),
        lines: again().expect("memory can be read"),
        again: Some(again),
    }
}

fn named(name: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("could not open {name}: {error}"))
}

/// A scene that can be read like a file.
struct Recital {
    scene: Scene,
    text: Vec<u8>,
    given: usize,
}

impl Recital {
    fn of(scene: Scene) -> Self {
        Recital { scene, text: Vec::new(), given: 0 }
    }
}

impl Read for Recital {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.text.len() {
            self.text.clear();
            self.given = 0;
            self.scene.write_line(&mut self.text);
        }
        let read = (&self.text[self.given..]).read(out)?;
        self.given += read;
        Ok(read)
    }
}
