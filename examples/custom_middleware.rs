//! Layers of your own: change, redirect or end an event: `cargo run --example custom_middleware`

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};

use sigtree::{Bus, Event, Middleware, Next, ParseError, Stack, Topic};

#[derive(Debug, Clone)]
struct Message {
    text: String,
    urgent: bool,
}

/// Goes on with another payload: the text in capitals, if it is urgent.
struct Shout;

impl Middleware for Shout {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        match event.payload::<Message>() {
            Some(message) if message.urgent => {
                next.replace(event, Message { text: message.text.to_uppercase(), urgent: true });
            }
            _ => next.run(event),
        }
    }
}

/// Lets so many events through, and ends the others with a reason.
struct Quota {
    left: AtomicU32,
}

impl Middleware for Quota {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => next.run(event),
            Err(_) => next.discard(event, "quota used up"),
        }
    }

    fn describe(&self) -> Cow<'static, str> {
        format!("quota, {} events left", self.left.load(Ordering::Relaxed)).into()
    }
}

/// Sends what is not urgent to the handlers of another topic.
struct Postpone {
    to: Topic,
}

impl Postpone {
    fn to(topic: &str) -> Result<Self, ParseError> {
        Ok(Postpone { to: Topic::new(topic)? })
    }
}

impl Middleware for Postpone {
    fn handle(&self, event: &Event<'_>, next: Next<'_>) {
        match event.payload::<Message>() {
            Some(message) if !message.urgent => next.redirect(event, &self.to),
            _ => next.run(event),
        }
    }
}

fn main() -> Result<(), sigtree::Error> {
    let bus = Bus::new();
    bus.set_stack(Stack::new().with(Shout).with(Quota { left: AtomicU32::new(3) }).with(Postpone::to("tomorrow")?));
    let _now = bus.connect("now", |message: &Message| println!("  now:      {}", message.text))?;
    let _tomorrow = bus.connect("tomorrow", |message: &Message| println!("  tomorrow: {}", message.text))?;

    print!("{}", bus.stack());
    for (text, urgent) in [("dinner is ready", false), ("fire", true), ("the post is here", false), ("flood", true)] {
        let delivery = bus.emit("now", Message { text: text.into(), urgent });
        if let Some(reason) = delivery.filtered() {
            println!("  ended:    {text}: {reason}");
        }
    }
    print!("{}", bus.stack());
    Ok(())
}
