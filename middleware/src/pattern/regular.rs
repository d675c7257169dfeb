//! Regular expressions: compiled within limits, written between slashes.

use std::panic::{RefUnwindSafe, UnwindSafe};

use regex::{Regex, RegexBuilder};

use crate::limits::Limits;
use crate::parse_error::{Fault, ParseError, Reason, What};

/// A regular expression for whole topics.
pub(super) struct Regular {
    regex: Box<dyn Compiled>,
    /// The text with the slashes; the expression itself lies between them, its slashes escaped.
    text: Box<str>,
    source: Box<str>,
    prefix: Box<str>,
}

/// A compiled expression, out of sight of clippy.
///
/// A `Regex` lends out scratch memory through a cell. Its matches do not depend on that, but clippy's
/// `mutable_key_type` cannot know, and would warn whoever takes a pattern as the key of a map.
trait Compiled: Send + Sync + UnwindSafe + RefUnwindSafe {
    fn get(&self) -> &Regex;
}

impl Compiled for Regex {
    fn get(&self) -> &Regex {
        self
    }
}

/// How deep groups may be nested.
const NEST_LIMIT: u32 = 50;

impl Regular {
    pub(super) fn new(expression: &str, limits: &Limits) -> Result<Self, ParseError> {
        let refused = |reason| ParseError::new(What::Regex, expression, Fault::of(reason));
        let source = checked_source(expression, limits).map_err(refused)?;
        let regex = compile(&source, limits).map_err(refused)?;
        Ok(Self {
            text: format!("/{}/", escape_slashes(&source)).into(),
            prefix: literal_prefix(&source).into(),
            source: source.into(),
            regex: Box::new(regex),
        })
    }

    /// The expression as it was given, except that no slash in it is escaped.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn regex(&self) -> &Regex {
        self.regex.get()
    }

    pub(super) fn literal_prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn matches(&self, topic: &str) -> bool {
        topic.starts_with(&*self.prefix) && self.regex().is_match(topic)
    }
}

/// The most bytes an expression may have.
pub(super) fn most_bytes(limits: &Limits) -> usize {
    limits.bytes.saturating_mul(4)
}

/// Refuses what need not be compiled to be refused, and takes the backslash from before each slash, so that an
/// expression has one text.
fn checked_source(expression: &str, limits: &Limits) -> Result<String, Reason> {
    let most = most_bytes(limits);
    let bytes = expression.len();
    // Not even with a backslash for every slash could it be short enough.
    if bytes > most.saturating_mul(2) {
        return Err(Reason::TooLong { bytes, most });
    }
    let source = unescape_slashes(expression);
    match source.len() {
        0 => Err(Reason::EmptyRegex),
        bytes if bytes > most => Err(Reason::TooLong { bytes, most }),
        _ => Ok(source),
    }
}

/// Compiles the expression by itself and then for whole topics.
///
/// By itself, because `a)|(b` must be refused and would be well formed inside the group.
fn compile(source: &str, limits: &Limits) -> Result<Regex, Reason> {
    let build = |text: &str| {
        RegexBuilder::new(text)
            .size_limit(limits.regex_bytes)
            .dfa_size_limit(limits.regex_bytes)
            .nest_limit(NEST_LIMIT)
            .build()
            .map_err(|error| reason_of(&error))
    };
    build(source)?;
    build(&format!("^(?:{source})$"))
}

fn reason_of(error: &regex::Error) -> Reason {
    match error {
        regex::Error::CompiledTooBig(most) => Reason::RegexTooBig { most: *most },
        error => Reason::Regex(last_line(&error.to_string())),
    }
}

/// The last line of a syntax error; the lines before it draw the expression.
fn last_line(message: &str) -> String {
    let line = message.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// The byte of the slash that ends the expression which the first slash of the text begins.
pub(super) fn closing_slash(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'/' if !escaped => return Some(at),
            _ => escaped = byte == b'\\' && !escaped,
        }
    }
    None
}

/// The expression between two slashes that are all of the text.
pub(super) fn between_slashes(text: &str) -> Result<&str, Fault> {
    let close = closing_slash(text).ok_or(Fault::of(Reason::RegexOpen))?;
    if close + 1 < text.len() {
        return Err(Fault::at(Reason::RegexTail, close + 1));
    }
    Ok(&text[1..close])
}

fn escape_slashes(source: &str) -> String {
    pairs(source).fold(String::new(), |text, pair| text + if pair == "/" { r"\/" } else { pair })
}

fn unescape_slashes(text: &str) -> String {
    pairs(text).fold(String::new(), |source, pair| source + if pair == r"\/" { "/" } else { pair })
}

/// The characters of an expression, each backslash together with the character it stands before.
fn pairs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut chars = rest.chars();
        if chars.next()? == '\\' {
            chars.next();
        }
        let (pair, after) = rest.split_at(rest.len() - chars.as_str().len());
        rest = after;
        Some(pair)
    })
}

/// A text with which every match begins, read off the expression.
///
/// It stops at the first thing that is not plainly a literal, so it may be shorter than it could be, never longer.
fn literal_prefix(source: &str) -> String {
    if may_alternate(source) {
        return String::new();
    }
    let mut prefix = String::new();
    for pair in pairs(source) {
        match literal(pair) {
            Some(c) => prefix.push(c),
            None => {
                // A repetition, also a repeated one such as `+*`, may take the character before it no times at all.
                if pair.starts_with(['*', '+', '?', '{']) {
                    prefix.pop();
                }
                break;
            }
        }
    }
    prefix
}

/// The character that a pair stands for, if it stands for one.
fn literal(pair: &str) -> Option<char> {
    let mut chars = pair.chars();
    match (chars.next()?, chars.next()) {
        // `\<` and `\>` are the borders of words.
        ('\\', Some(c)) if c.is_ascii_punctuation() && !matches!(c, '<' | '>') => Some(c),
        ('\\' | '.' | '^' | '$' | '*' | '+' | '?' | '{' | '}' | '(' | ')' | '[' | ']' | '|', _) => None,
        (c, _) => Some(c),
    }
}

/// Whether the expression may have a `|` outside all groups.
///
/// A class or a comment may hold parentheses that are none, so behind one of them, or behind flags that may allow
/// comments, every `|` counts.
fn may_alternate(source: &str) -> bool {
    let mut depth = 0_usize;
    let mut rest = source;
    for pair in pairs(source) {
        rest = &rest[pair.len()..];
        match pair {
            "|" if depth == 0 => return true,
            "[" => return rest.contains('|'),
            "(" if rest.starts_with('?') && !rest.starts_with("?:") => return rest.contains('|'),
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}
