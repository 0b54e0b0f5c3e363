//! Arguments as argparse4j reads them, which some of Kafka's tools do: unique prefixes of options, values that repeat,
//! options of which one at most or exactly one may be there, subcommands with options of their own, and its complaints word
//! for word (but on one line: argparse4j breaks and stretches them to 75 columns).

use std::collections::{BTreeMap, BTreeSet};

use super::print::{complain, say};

/// What an argument takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing (`storeTrue`).
    Nothing,
    /// One value; of several the last one counts.
    One,
    /// One value each time, all kept (`append`).
    Each,
    /// One value or more at once (`nargs("+")`); of several such lists the last one counts.
    Many,
}

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything.
    Text,
    /// Java's `Integer`.
    Int,
    /// Java's `Long`.
    Long,
    /// Java's `Short`.
    Short,
    /// Java's `Double`.
    Double,
}

/// One optional argument.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arg {
    /// Its names with dashes; it is known by the first.
    pub(crate) names: &'static [&'static str],
    /// What it takes.
    pub(crate) takes: Takes,
    /// What its values must be.
    pub(crate) kind: Kind,
    /// Whether it must be there.
    pub(crate) required: bool,
    /// The group of which it is one.
    pub(crate) group: Option<&'static str>,
    /// The values allowed; empty for all.
    pub(crate) choices: &'static [&'static str],
    /// What it does, for the help.
    pub(crate) about: &'static str,
}

/// An argument with one value of text.
pub(crate) const fn arg(names: &'static [&'static str], about: &'static str) -> Arg {
    Arg { names, takes: Takes::One, kind: Kind::Text, required: false, group: None, choices: &[], about }
}

/// An argument without a value.
pub(crate) const fn switch(names: &'static [&'static str], about: &'static str) -> Arg {
    Arg { takes: Takes::Nothing, ..arg(names, about) }
}

impl Arg {
    /// Must be there.
    pub(crate) const fn required(self) -> Arg {
        Arg { required: true, ..self }
    }

    /// With values of a kind.
    pub(crate) const fn kind(self, kind: Kind) -> Arg {
        Arg { kind, ..self }
    }

    /// Takes something else than one value.
    pub(crate) const fn takes(self, takes: Takes) -> Arg {
        Arg { takes, ..self }
    }

    /// One of a group.
    pub(crate) const fn group(self, group: &'static str) -> Arg {
        Arg { group: Some(group), ..self }
    }

    /// With one of these values only.
    pub(crate) const fn choices(self, choices: &'static [&'static str]) -> Arg {
        Arg { choices, ..self }
    }

    fn title(&self) -> String {
        self.names.join("/")
    }

    fn check(&self, value: &str) -> Result<(), String> {
        let name = match self.kind {
            Kind::Text => None,
            Kind::Int => value.parse::<i32>().is_err().then_some("Integer"),
            Kind::Long => value.parse::<i64>().is_err().then_some("Long"),
            Kind::Short => value.parse::<i16>().is_err().then_some("Short"),
            Kind::Double => value.trim().parse::<f64>().is_err().then_some("Double"),
        };
        if let Some(name) = name {
            let number = value.parse::<i128>().is_ok();
            let why = match self.kind {
                Kind::Short if number => format!("Value out of range. Value:\"{value}\" Radix:10"),
                _ => format!("For input string: \"{value}\""),
            };
            return Err(format!("argument {}: could not convert '{value}' to {name} ({why})", self.title()));
        }
        if !self.choices.is_empty() && !self.choices.contains(&value) {
            let choices = self.choices.join(",");
            return Err(format!("argument {}: invalid choice: '{value}' (choose from {{{choices}}})", self.title()));
        }
        Ok(())
    }
}

/// A subcommand.
#[derive(Debug)]
pub(crate) struct Command {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its own arguments.
    pub(crate) args: &'static [Arg],
    /// What it does, for the help.
    pub(crate) about: &'static str,
}

/// The arguments of one tool.
#[derive(Debug)]
pub(crate) struct Parser {
    /// The tool's name.
    pub(crate) tool: &'static str,
    /// What it calls itself in its complaints.
    pub(crate) prog: &'static str,
    /// One sentence on what it does.
    pub(crate) about: &'static str,
    /// Arguments before the subcommand.
    pub(crate) args: &'static [Arg],
    /// Groups of which one argument must be there; the arguments of any group exclude each other.
    pub(crate) required_groups: &'static [&'static str],
    /// Its subcommands; empty if it has none.
    pub(crate) commands: &'static [Command],
    /// Whether it has a table that `--json` can print.
    pub(crate) json: bool,
}

/// Why there are no arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unparsed {
    /// The help was asked for, and printed.
    Help,
    /// What is wrong.
    Wrong(String),
}

const HELP: Arg = switch(&["-h", "--help"], "Print this help.");
const JSON: Arg = switch(&["--json"], "Print tables as JSON.");

/// The arguments of a tool, read.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// The subcommand.
    pub(crate) command: Option<&'static str>,
    values: BTreeMap<&'static str, Vec<String>>,
}

impl Arguments {
    /// Whether the argument is there, by its first name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Its value.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// All its values.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Its value as a number; its kind was checked when it was read.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.trim().parse().ok()
    }

    /// Whether tables are wanted as JSON.
    pub(crate) fn json(&self) -> bool {
        self.has("--json")
    }
}

struct Reading<'a> {
    words: std::iter::Peekable<std::slice::Iter<'a, String>>,
    only_words: bool,
    found: Arguments,
    /// The complaint of the outermost parser that misses something; everything else that is wrong goes first.
    missing: Option<String>,
}

impl Parser {
    /// Reads a command line.
    pub(crate) fn parse(&self, words: &[String]) -> Result<Arguments, Unparsed> {
        let mut reading =
            Reading { words: words.iter().peekable(), only_words: false, found: Arguments::default(), missing: None };
        let args = self.common(self.args);
        let rest = reading.read(&args, self, None)?;
        if let Some(word) = rest {
            if self.commands.is_empty() {
                return Err(reading.unrecognized(&word));
            }
            reading.settle(&args, self.required_groups);
            let Some(command) = self.commands.iter().find(|command| command.name == word) else {
                let names: Vec<String> = self.commands.iter().map(|command| format!("'{}'", command.name)).collect();
                return Err(Unparsed::Wrong(format!("invalid choice: '{word}' (choose from {})", names.join(", "))));
            };
            reading.found.command = Some(command.name);
            let args = self.common(command.args);
            if let Some(word) = reading.read(&args, self, Some(command))? {
                return Err(reading.unrecognized(&word));
            }
            reading.settle(&args, self.required_groups);
        } else if self.commands.is_empty() {
            reading.settle(&args, self.required_groups);
        } else {
            return Err(Unparsed::Wrong("too few arguments".to_owned()));
        }
        reading.missing.map_or(Ok(reading.found), |missing| Err(Unparsed::Wrong(missing)))
    }

    fn common(&self, args: &[Arg]) -> Vec<Arg> {
        let json = self.json.then_some(JSON);
        [HELP].into_iter().chain(args.iter().copied()).chain(json).collect()
    }

    /// `handleError`: the usage and the complaint on standard error.
    pub(crate) fn complain(&self, complaint: &str) {
        complain(self.usage(None));
        complain(format!("{}: error: {complaint}", self.prog));
        let unknown = complaint.strip_prefix("unrecognized arguments: '").and_then(|rest| rest.strip_suffix('\''));
        if let Some(unknown) = unknown.filter(|unknown| unknown.starts_with("--"))
            && let Some(near) = self.near(unknown)
        {
            complain(format!("Did you mean {near}?"));
        }
    }

    fn near(&self, unknown: &str) -> Option<&'static str> {
        let args = self.args.iter().chain(self.commands.iter().flat_map(|command| command.args));
        let names = args.flat_map(|arg| arg.names).copied();
        let (away, name) = names.map(|name| (super::options::distance(unknown, name), name)).min()?;
        (away <= (unknown.len() / 3).max(1)).then_some(name)
    }

    fn usage(&self, command: Option<&Command>) -> String {
        match command {
            Some(command) => format!("usage: {} <options> {} <options>", self.prog, command.name),
            None if self.commands.is_empty() => format!("usage: {} <options>", self.prog),
            None => {
                let names: Vec<&str> = self.commands.iter().map(|command| command.name).collect();
                format!("usage: {} <options> {{{}}} ...", self.prog, names.join(","))
            }
        }
    }

    fn help(&self, command: Option<&Command>) {
        say(format_args!("{}\n\n{}\n", self.usage(command), command.map_or(self.about, |command| command.about)));
        for arg in self.common(command.map_or(self.args, |command| command.args)) {
            let value = match arg.takes {
                Takes::Nothing => "",
                Takes::One | Takes::Each => " <value>",
                Takes::Many => " <value> ...",
            };
            say(format_args!("  {}{value}\n      {}", arg.names.join(", "), arg.about));
        }
        if command.is_none() {
            for command in self.commands {
                say(format_args!("  {}\n      {}", command.name, command.about));
            }
        }
    }

    /// (name, whether a value follows, what it does) of everything that may stand on the command line, for completions.
    pub(crate) fn words(&self) -> Vec<(&'static str, bool, &'static str)> {
        let all = self.args.iter().chain(self.commands.iter().flat_map(|command| command.args));
        let mut words: BTreeMap<&str, (&'static str, bool, &'static str)> = BTreeMap::new();
        for arg in all {
            let name = arg.names.iter().find(|name| name.starts_with("--")).copied().unwrap_or(arg.names[0]);
            words.insert(name, (name.trim_start_matches('-'), arg.takes != Takes::Nothing, arg.about));
        }
        words.into_values().collect()
    }
}

impl Reading<'_> {
    fn is_flag(&self, word: &str) -> bool {
        // What looks like a negative number is a value.
        !self.only_words && word.len() > 1 && word.starts_with('-') && word.parse::<f64>().is_err()
    }

    fn unrecognized(&self, word: &str) -> Unparsed {
        let rest: Vec<String> = std::iter::once(word.to_owned()).chain(self.words.clone().cloned()).collect();
        Unparsed::Wrong(format!("unrecognized arguments: '{}'", rest.join(" ")))
    }

    /// Reads arguments up to the first word that belongs to none; that word.
    fn read(&mut self, args: &[Arg], parser: &Parser, command: Option<&Command>) -> Result<Option<String>, Unparsed> {
        let mut of_group: BTreeMap<&str, Arg> = BTreeMap::new();
        while let Some(word) = self.words.next() {
            if word == "--" && !self.only_words {
                self.only_words = true;
                continue;
            }
            if !self.is_flag(word) {
                return Ok(Some(word.clone()));
            }
            let (name, attached) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let Some((arg, attached)) = find(args, name, attached, word)? else {
                return Err(Unparsed::Wrong(format!("unrecognized arguments: '{word}'")));
            };
            if arg.names == HELP.names {
                parser.help(command);
                return Err(Unparsed::Help);
            }
            if let Some(group) = arg.group {
                let first = of_group.entry(group).or_insert(arg);
                if first.names != arg.names {
                    return Err(Unparsed::Wrong(format!(
                        "argument {}: not allowed with argument {}",
                        arg.title(),
                        first.title()
                    )));
                }
            }
            self.take(&arg, attached)?;
        }
        Ok(None)
    }

    fn take(&mut self, arg: &Arg, attached: Option<String>) -> Result<(), Unparsed> {
        let mut values = Vec::new();
        if arg.takes == Takes::Nothing {
            if let Some(value) = attached {
                return Err(Unparsed::Wrong(format!("argument {}: ignore implicit argument '{value}'", arg.title())));
            }
        } else {
            let most = if arg.takes == Takes::Many { usize::MAX } else { 1 };
            let embedded = attached.is_some();
            values.extend(attached);
            while !embedded && values.len() < most {
                let next = self.words.peek().map(|word| (*word).clone());
                let Some(next) = next.filter(|next| !self.is_flag(next) && (next != "--" || self.only_words)) else {
                    break;
                };
                self.words.next();
                values.push(next);
            }
            if values.is_empty() {
                let how_many = if arg.takes == Takes::Many { "1 argument(s)" } else { "one argument" };
                return Err(Unparsed::Wrong(format!("argument {}: expected {how_many}", arg.title())));
            }
            values.iter().try_for_each(|value| arg.check(value)).map_err(Unparsed::Wrong)?;
        }
        let slot = self.found.values.entry(arg.names[0]).or_default();
        if arg.takes != Takes::Each {
            slot.clear();
        }
        slot.extend(values);
        Ok(())
    }

    /// Remembers what is missing; of several the last argument, then the last group.
    fn settle(&mut self, args: &[Arg], groups: &[&str]) {
        if self.missing.is_some() {
            return;
        }
        let absent = |arg: &&Arg| arg.required && !self.found.has(arg.names[0]);
        if let Some(arg) = args.iter().rev().find(absent) {
            self.missing = Some(format!("argument {} is required", arg.title()));
            return;
        }
        for group in groups {
            let of_group: Vec<&Arg> = args.iter().filter(|arg| arg.group == Some(group)).collect();
            // A group may be the tool's or its commands' own.
            if !of_group.is_empty() && !of_group.iter().any(|arg| self.found.has(arg.names[0])) {
                let names: String = of_group.iter().map(|arg| format!("{} ", arg.title())).collect();
                self.missing = Some(format!("one of the arguments {names}is required"));
            }
        }
    }
}

type Resolved = Option<(Arg, Option<String>)>;

/// The argument of this name, of which it is the only prefix, or of this letter with its value attached.
fn find(args: &[Arg], name: &str, attached: Option<String>, word: &str) -> Result<Resolved, Unparsed> {
    let exact = args.iter().find(|arg| arg.names.contains(&name));
    if let Some(arg) = exact {
        return Ok(Some((*arg, attached)));
    }
    let names: BTreeSet<&str> = args.iter().flat_map(|arg| arg.names).copied().collect();
    let near: Vec<&str> = names.iter().copied().filter(|known| known.starts_with(name)).collect();
    match near.as_slice() {
        [] => {}
        [only] => return Ok(args.iter().find(|arg| arg.names.contains(only)).map(|arg| (*arg, attached))),
        several => {
            let several = several.join(", ");
            return Err(Unparsed::Wrong(format!("ambiguous option: {name} could match {several}")));
        }
    }
    if name.starts_with("--") {
        return Ok(None);
    }
    let letter = args.iter().find(|arg| {
        arg.takes != Takes::Nothing && arg.names.iter().any(|known| known.len() == 2 && word.starts_with(known))
    });
    Ok(letter.map(|arg| (*arg, Some(word[2..].to_owned()))))
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;
