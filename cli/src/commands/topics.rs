//! `sigtree topics check`: whether names are patterns, what they match, and what others call them.

use std::io::{self, BufRead};

use anstyle::AnsiColor;
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use sigtree::middleware::Kind;
use sigtree::{ParseError, Pattern, Topic};

use crate::escape;
use crate::output::Output;
use crate::trouble::{Trouble, Verdict};

/// Check topics and patterns
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say what patterns match, and how NATS, MQTT, AMQP and Redis write them
    Check(Check),
}

#[derive(Debug, clap::Args)]
struct Check {
    /// Patterns; `-` reads them from standard input, one a line
    #[arg(required_unless_present = "topics", value_name = "PATTERN")]
    patterns: Vec<String>,

    /// Topics, to see which pattern matches; may be given more than once
    #[arg(short, long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,

    /// The patterns are written as others write them
    #[arg(long, value_name = "GRAMMAR")]
    from: Option<Grammar>,
}

/// Whose patterns they are.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Grammar {
    Nats,
    Mqtt,
    Amqp,
    Redis,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<Verdict, Trouble> {
    let Action::Check(check) = &args.action;
    let topics: Vec<_> = check.topics.iter().map(|text| CheckedTopic::of(text)).collect();
    let mut bad = topics.iter().any(|topic| topic.error.is_some());
    topics.iter().try_for_each(|topic| topic.tell(output))?;
    for text in &check.patterns {
        for text in lines_of(text)? {
            let pattern = CheckedPattern::of(&text, check.from, &topics);
            bad |= pattern.error.is_some();
            pattern.tell(output)?;
        }
    }
    Ok(Verdict::found(bad))
}

/// The text itself, or the lines of standard input.
fn lines_of(text: &str) -> Result<Vec<String>, Trouble> {
    if text != "-" {
        return Ok(vec![text.to_owned()]);
    }
    let lines: io::Result<Vec<_>> = io::stdin().lock().lines().collect();
    let lines = lines.map_err(|error| Trouble::Input(format!("cannot read standard input: {error}")))?;
    Ok(lines.into_iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
}

/// What is known of a topic.
#[derive(Debug, Serialize)]
struct CheckedTopic {
    topic: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl CheckedTopic {
    fn of(text: &str) -> Self {
        let error = Topic::new(text).err().map(|error| error.to_string());
        Self { topic: text.to_owned(), ok: error.is_none(), error }
    }

    /// A good one is told of by the patterns that match it.
    fn tell(&self, output: &mut Output) -> Result<(), Trouble> {
        match &self.error {
            _ if output.is_json() => output.object(self),
            Some(error) => tell_bad(error, output),
            None => output.line(format_args!("{} is a topic", self.topic)),
        }
    }
}

/// What is known of a pattern.
#[derive(Debug, Serialize)]
struct CheckedPattern {
    pattern: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<Others>,
    /// The topics that were asked about, and whether it matches them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    matches: Vec<(String, bool)>,
}

/// The pattern in other grammars.
#[derive(Debug, Serialize)]
struct Others {
    nats: Form,
    mqtt: Form,
    amqp: Form,
    redis: Form,
}

/// The subscriptions that are the pattern together, or why there are none.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Exact(Vec<String>),
    Refused(String),
}

impl CheckedPattern {
    fn of(text: &str, from: Option<Grammar>, topics: &[CheckedTopic]) -> Self {
        match parse(text, from) {
            Ok(pattern) => Self::good(&pattern, topics),
            Err(error) => Self {
                pattern: text.to_owned(),
                ok: false,
                error: Some(error.to_string()),
                kind: None,
                others: None,
                matches: Vec::new(),
            },
        }
    }

    fn good(pattern: &Pattern, topics: &[CheckedTopic]) -> Self {
        let topics = topics.iter().filter(|topic| topic.ok);
        Self {
            pattern: pattern.to_string(),
            ok: true,
            error: None,
            kind: Some(kind_of(pattern)),
            others: Some(Others {
                nats: pattern.to_nats().into(),
                mqtt: pattern.to_mqtt().into(),
                amqp: pattern.to_amqp().into(),
                redis: pattern.to_redis().into(),
            }),
            matches: topics.map(|topic| (topic.topic.clone(), pattern.matches(&topic.topic))).collect(),
        }
    }

    fn tell(&self, output: &mut Output) -> Result<(), Trouble> {
        if output.is_json() {
            return output.object(self);
        }
        if let Some(error) = &self.error {
            return tell_bad(error, output);
        }
        let good = output.color(AnsiColor::Green);
        output.line(format_args!(
            "{good}{}{good:#} is {}",
            escape::text(&self.pattern),
            self.kind.unwrap_or_default()
        ))?;
        if let Some(Others { nats, mqtt, amqp, redis }) = &self.others {
            for (name, form) in [("NATS", nats), ("MQTT", mqtt), ("AMQP", amqp), ("Redis", redis)] {
                output.line(format_args!("  {name:<8} {}", form.text()))?;
            }
        }
        for (topic, matches) in &self.matches {
            output.line(format_args!("  {:<8} {topic}", if *matches { "matches" } else { "not" }))?;
        }
        Ok(())
    }
}

fn parse(text: &str, from: Option<Grammar>) -> Result<Pattern, ParseError> {
    match from {
        None => text.parse(),
        Some(Grammar::Nats) => Pattern::from_nats(text),
        Some(Grammar::Mqtt) => Pattern::from_mqtt(text),
        Some(Grammar::Amqp) => Pattern::from_amqp(text),
        Some(Grammar::Redis) => Pattern::from_redis(text),
    }
}

fn kind_of(pattern: &Pattern) -> &'static str {
    match pattern.kind() {
        Kind::Exact(_) => "a topic",
        Kind::Wildcard(_) => "a pattern with wildcards",
        Kind::List(_) => "a list of patterns",
        Kind::Regex(_) => "a regular expression",
    }
}

/// The message quotes what is wrong, and escapes it.
fn tell_bad(error: &str, output: &mut Output) -> Result<(), Trouble> {
    let bad = output.color(AnsiColor::Red);
    output.line(format_args!("{bad}{}{bad:#}", escape::text(error)))
}

impl Form {
    fn text(&self) -> String {
        match self {
            Self::Exact(subscriptions) => escape::text(&subscriptions.join("   ")).into_owned(),
            Self::Refused(error) => format!("none: {}", escape::text(error)),
        }
    }
}

impl From<Result<Vec<String>, ParseError>> for Form {
    fn from(converted: Result<Vec<String>, ParseError>) -> Self {
        converted.map_or_else(|error| Self::Refused(error.to_string()), Self::Exact)
    }
}
