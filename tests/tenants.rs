//! A child bus cannot be talked out of its name: whatever text it is given is refused or stays inside the prefix.

mod support;

use std::collections::BTreeSet;

use sigtree::{Bus, ParseError, Pattern};
use support::Recorder;

/// What somebody would try who wants out, alone and put together.
const PARTS: [&str; 28] = [
    "..", ".", "*", "**", ">", "t1.*", "t2", "", "/", ":", "#", "+", "$SYS", "$sys", "．", "。", "․", "﹒", "｡",
    "\u{200b}", "\u{202e}", "\0", " ", "|", "../t2", "t1", "%2e%2e", "\\",
];

fn hostile_names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for first in PARTS {
        names.insert(first.to_owned());
        for second in PARTS {
            for separator in ["", "."] {
                names.insert(format!("{first}{separator}{second}"));
            }
        }
        names.insert(format!("{first}.secret"));
        names.insert(format!("secret.{first}"));
        names.insert(format!("secret{first}"));
    }
    assert!(names.len() > 300);
    names
}

#[test]
fn what_a_child_emits_goes_up_under_its_name_or_not_at_all() {
    let seen = Recorder::new();
    let root = Bus::new();
    let tenant = root.child("t1").unwrap();
    let _ears = root.connect(["**", "$sys.**", r"/\$sys.*/", r"/.*/"], seen.numbers()).unwrap();
    let mut accepted = 0;
    for name in hostile_names() {
        tenant.event(&name).source("t1").emit(1_u32);
        tenant.emit(&name, 1_u32);
        if let Ok(signal) = tenant.signal::<u32>(&name) {
            signal.emit(1);
        }
        let lines = seen.take();
        assert!(lines.len() == 3 || lines.is_empty(), "{name:?}: {lines:?}");
        assert!(lines.iter().all(|line| *line == format!("t1.{name} 1")), "{name:?}: {lines:?}");
        accepted += usize::from(!lines.is_empty());
    }
    assert!(accepted > 20, "{accepted}");
}

#[test]
fn what_a_child_connects_to_is_its_own() {
    for sink in [false, true] {
        let seen = Recorder::new();
        let root = Bus::new();
        let builder = root.child_builder("t1");
        let tenant = if sink { builder.sink() } else { builder }.build().unwrap();
        let neighbour = root.child("t2").unwrap();
        for name in hostile_names() {
            let Ok(_ear) = tenant.connect(&name, seen.numbers()) else { continue };
            for topic in ["secret", "t2.secret", "t1", "t1x.secret", "t2", "$SYS", "a.secret.b"] {
                root.emit(topic, 1_u32);
                neighbour.emit(topic, 1_u32);
            }
            root.emit("..", 1_u32);
            neighbour.emit("..", 1_u32);
            assert_eq!(seen.take(), Vec::<String>::new(), "{name:?}, sink: {sink}");
        }
    }
}

#[test]
fn a_child_of_a_hostile_name_is_refused_or_stays_below() {
    let seen = Recorder::new();
    let root = Bus::new();
    let tenant = root.child("t1").unwrap();
    let _ears = root.connect("**", seen.numbers()).unwrap();
    for name in hostile_names() {
        if let Ok(child) = tenant.child(&name) {
            child.emit("a", 1_u32);
            assert_eq!(seen.take(), [format!("t1.{name}.a 1")]);
        }
    }
}

#[test]
fn a_child_that_hears_its_parent_is_told_no_false_reports() {
    let seen = Recorder::new();
    let root = Bus::new();
    let tenant = root.child_builder("t1").sink().build().unwrap();
    let _ears = tenant.connect("$sys.**", seen.numbers()).unwrap();
    for name in ["$sys.handler.failed", "$sys.connected", "$sys", "$sys.anything"] {
        root.emit(format!("t1.{name}"), 1_u32);
        root.emit(format!("t1.{name}"), 1_u32);
        assert_eq!(seen.take(), Vec::<String>::new(), "{name}");
    }
    let (other, target) = (Bus::new(), Bus::new());
    let _bridge = other.bridge("**", &target).unwrap();
    let _ears = target.connect("$sys.**", seen.numbers()).unwrap();
    assert!(other.emit("$sys.connected", 1_u32).refusal().is_some());
    assert_eq!(seen.take(), Vec::<String>::new());
}

#[test]
fn foreign_patterns_stay_inside_too() {
    type Read = fn(&str) -> Result<Pattern, ParseError>;
    type Write = fn(&Pattern) -> Result<Vec<String>, ParseError>;
    let grammars: [(&str, Read, Write); 4] = [
        (".", Pattern::from_nats, Pattern::to_nats),
        ("/", Pattern::from_mqtt, Pattern::to_mqtt),
        (".", Pattern::from_amqp, Pattern::to_amqp),
        (".", Pattern::from_redis, Pattern::to_redis),
    ];
    let seen = Recorder::new();
    let root = Bus::new();
    let tenant = root.child_builder("t1").sink().build().unwrap();
    let mut read_back = 0;
    for name in hostile_names() {
        for (separator, read, write) in grammars {
            let spellings = [name.clone(), name.replace('.', separator)];
            for pattern in spellings.iter().filter_map(|spelling| read(spelling).ok()) {
                let _ear = tenant.connect(&pattern, seen.numbers()).unwrap();
                for topic in ["secret", "t2.secret", "t1", "$SYS"] {
                    root.emit(topic, 1_u32);
                }
                assert_eq!(seen.take(), Vec::<String>::new(), "{name:?} as {pattern}");
            }
            // What the tenant asks for, as its broker is told.
            let Ok(pattern) = Pattern::new(format!("t1.{name}")) else { continue };
            for subscription in write(&pattern).into_iter().flatten() {
                read_back += 1;
                let inside = subscription == "t1" || subscription.starts_with(&format!("t1{separator}"));
                assert!(inside, "{name:?} as {subscription}");
                assert!(subscription.split(separator).all(|token| token != ".."), "{name:?} as {subscription}");
            }
        }
    }
    assert!(read_back > 50, "{read_back}");
}
