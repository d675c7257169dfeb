//! What keeps events keeps as many bytes as it was told, whatever comes: a million events of a byte to a megabyte.

#[path = "support/crowd.rs"]
mod crowd;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crowd::{CROWD, Dice, count, crowd};
use sigtree::middleware::{DeadLetter, Debounce, Entry, Latest, Weigh};
use sigtree::{Bus, History, Middleware};

const CAP: usize = 64 << 20;
const LARGEST: usize = 1 << 20;
/// What may be there beyond the cap: the events that are on their way, and those that the keeper is about to let go.
const BEYOND: usize = 8 << 20;

/// The bytes of all loads there are.
static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Load(Vec<u8>);

impl Load {
    /// From a byte to a megabyte; most are small, and a few large ones weigh as much as all others.
    fn any(dice: &mut Dice) -> Self {
        let power = dice.roll(21);
        let power = if dice.roll(1 << power.saturating_sub(14)) == 0 { power } else { dice.roll(14) };
        let bytes = vec![1; 1 << power];
        LIVE.fetch_add(bytes.len(), SeqCst);
        Self(bytes)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        LIVE.fetch_sub(self.0.len(), SeqCst);
    }
}

impl Weigh for Load {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.0.len()
    }
}

/// The memory of this process that is in use, in bytes. It is printed, not judged: how much of it is the gaps between what
/// four threads allocate and free is the allocator's affair.
///
/// With glibc as it comes, the history has grown the process by 136 to 188 MiB; with one arena, and with blocks of 64 KiB and
/// more mapped each by itself (`GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=65536`), by 80 to 83.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// What a keeper costs while a crowd emits: the most bytes that were alive, and by how much the process grew.
fn flood(keeper: impl Middleware, all: u64) -> (usize, usize) {
    let bus = Bus::new();
    bus.layer(keeper);
    let _broken = bus.connect("*", |_: &Load| Err("broken")).unwrap();
    let before = resident();
    let most = crowd(|who| {
        let mut dice = Dice::new(who);
        let mut most = (0, 0);
        for n in 0..all / CROWD as u64 {
            bus.emit(["a", "b", "c", "d"][dice.roll(4)], Load::any(&mut dice));
            most.0 = most.0.max(LIVE.load(SeqCst));
            if n % 1_000 == 0 {
                most.1 = most.1.max(resident().saturating_sub(before));
            }
        }
        most
    });
    // What is held keeps its bus, and goes on now.
    bus.flush();
    most.into_iter().fold((0, 0), |(live, grown), one| (live.max(one.0), grown.max(one.1)))
}

/// The payloads' bytes of these entries, and the bytes they count for.
fn weights<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> (usize, usize) {
    let weights = entries.into_iter().map(|entry| (entry.payload::<Load>().unwrap().0.len(), entry.bytes()));
    weights.fold((0, 0), |(load, counted), one| (load + one.0, counted + one.1))
}

/// One test, since others would share the memory that is measured.
#[test]
fn bytes_stay_below_their_cap() {
    let all = count(1_000_000);

    let history = History::builder().count(usize::MAX).bytes(CAP).weigh::<Load>().build();
    let (live, grown) = flood(history.clone(), all);
    println!("history: {} MiB alive, {} MiB grown, of {}", live >> 20, grown >> 20, CAP >> 20);
    let (load, counted) = weights(&history.entries());
    assert!(live < CAP + BEYOND && counted <= CAP && counted > CAP - LARGEST, "{live} {counted}");
    assert_eq!(load, LIVE.load(SeqCst), "nothing is kept but the entries");
    let stats = history.stats();
    assert_eq!(stats.recorded + stats.lost, all);
    assert_eq!(stats.recorded, history.len() as u64 + stats.evicted_by_bytes);
    drop(history);
    assert_eq!(LIVE.load(SeqCst), 0);

    let dead = DeadLetter::new().count(usize::MAX).bytes(CAP).weigh::<Load>();
    let (live, grown) = flood(dead.clone(), all);
    println!("dead letters: {} MiB alive, {} MiB grown, of {}", live >> 20, grown >> 20, CAP >> 20);
    let letters = dead.letters();
    let (load, counted) = weights(letters.iter().map(sigtree::middleware::Letter::entry));
    assert!(live < CAP + BEYOND && counted <= CAP, "{live} {counted}");
    assert_eq!(load, LIVE.load(SeqCst), "nothing is kept but the letters");
    assert_eq!(dead.stats().kept, all);
    assert_eq!(dead.stats().kept, dead.len() as u64 + dead.stats().evicted);
    drop((letters, dead));
    assert_eq!(LIVE.load(SeqCst), 0);

    // One event of a topic: the largest they may be, for each topic and each that is on its way.
    let minute = Duration::from_secs(60);
    for (what, (live, _)) in [
        ("debounce", flood(Debounce::new(minute).at_latest(minute), all / 10)),
        ("latest", flood(Latest::new(minute), all / 10)),
    ] {
        assert!(live <= (4 + 2 * CROWD) * LARGEST, "{what}: {live}");
    }
    assert_eq!(LIVE.load(SeqCst), 0, "they let go what they held");

    // The mistake: payloads are taken for as large as their own type.
    let unweighed = History::builder().count(usize::MAX).bytes(CAP).build();
    let (live, _) = flood(unweighed, all / 5);
    assert!(live > CAP + BEYOND, "{live}");
}
