//! Options as joptsimple reads them, which most of Kafka's tools do: `--name value`, `--name=value`, one dash for two, words
//! that belong to no option allowed and ignored, no abbreviations, and its complaints word for word.

use std::collections::BTreeMap;

use super::failure::{Stop, Thrown};

/// Whether an option has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// None.
    Nothing,
    /// One; what it is, for the help.
    Value(&'static str),
    /// One or none; what it is, for the help.
    MaybeValue(&'static str),
}

/// One option of a tool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag {
    /// The name, without dashes.
    pub(crate) name: &'static str,
    /// Its value.
    pub(crate) takes: Takes,
    /// What it does, for the help.
    pub(crate) about: &'static str,
    /// Whether joptsimple itself insists on it (`required()`).
    pub(crate) required: bool,
    /// Options of which at least one must be there for this one to be allowed (`availableIf`); empty for no such rule.
    pub(crate) only_with: &'static [&'static str],
}

/// An option without a value.
pub(crate) const fn flag(name: &'static str, about: &'static str) -> Flag {
    Flag { name, takes: Takes::Nothing, about, required: false, only_with: &[] }
}

/// An option with a value.
pub(crate) const fn value(name: &'static str, what: &'static str, about: &'static str) -> Flag {
    Flag { name, takes: Takes::Value(what), about, required: false, only_with: &[] }
}

/// An option with a value that may be left out.
pub(crate) const fn maybe_value(name: &'static str, what: &'static str, about: &'static str) -> Flag {
    Flag { name, takes: Takes::MaybeValue(what), about, required: false, only_with: &[] }
}

impl Flag {
    /// joptsimple's `required()`.
    pub(crate) const fn required(self) -> Flag {
        Flag { required: true, ..self }
    }

    /// joptsimple's `availableIf`.
    pub(crate) const fn only_with(self, others: &'static [&'static str]) -> Flag {
        Flag { only_with: others, ..self }
    }
}

/// The options of one tool.
#[derive(Debug)]
pub(crate) struct Spec {
    /// The tool's name.
    pub(crate) tool: &'static str,
    /// One sentence on what it does; shown when it is called without a word, and above the help.
    pub(crate) about: &'static str,
    /// Its own options; `--help`, `--version` and `--json` are added.
    pub(crate) flags: &'static [Flag],
    /// Whether it has a table that `--json` can print.
    pub(crate) json: bool,
}

const HELP: Flag = flag("help", "Print this help.");
const VERSION: Flag = flag("version", "Print the version.");
const JSON: Flag = flag("json", "Print tables as JSON.");

impl Spec {
    /// All options, the common ones last.
    pub(crate) fn all(&self) -> impl Iterator<Item = Flag> {
        let common = [HELP, VERSION].into_iter().chain(self.json.then_some(JSON));
        self.flags.iter().copied().chain(common)
    }

    fn find(&self, name: &str) -> Option<Flag> {
        self.all().find(|flag| flag.name == name)
    }

    /// The help, in our own words.
    pub(crate) fn help(&self) -> String {
        let head = |flag: &Flag| match flag.takes {
            Takes::Nothing => format!("  --{}", flag.name),
            Takes::Value(what) => format!("  --{} <{what}>", flag.name),
            Takes::MaybeValue(what) => format!("  --{} [{what}]", flag.name),
        };
        let width = self.all().map(|flag| head(&flag).len()).max().unwrap_or(0).min(HELP_COLUMN_MAX);
        let mut text = format!("Usage: {} <options>\n", self.tool);
        for flag in self.all() {
            let head = head(&flag);
            let gap =
                if head.len() > width { format!("\n{}", " ".repeat(width)) } else { " ".repeat(width - head.len()) };
            text.push_str(&format!("{head}{gap}  {}\n", flag.about));
        }
        text
    }

    /// Reads a command line. `--help`, `--version` and an empty line are for [`Spec::begin`].
    pub(crate) fn parse(&'static self, args: &[String]) -> Result<Given, Thrown> {
        let mut given =
            Given { spec: self, seen: BTreeMap::new(), order: Vec::new(), rest: Vec::new(), words: args.len() };
        let mut args = args.iter().peekable();
        let mut only_rest = false;
        while let Some(word) = args.next() {
            let dashes = if only_rest { 0 } else { dashes(word) };
            if word == "--" && !only_rest {
                only_rest = true;
                continue;
            }
            if dashes == 0 {
                given.rest.push(word.clone());
                continue;
            }
            let body = &word[dashes..];
            let (name, attached) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (body, None),
            };
            let Some(flag) = self.find(name) else {
                // One dash and no such option: joptsimple takes the letters one by one and trips over the first.
                let first = if dashes == 1 {
                    body.chars().next().map(String::from).unwrap_or_default()
                } else {
                    name.to_owned()
                };
                return Err(Thrown::new(
                    "joptsimple.UnrecognizedOptionException",
                    format!("{first} is not a recognized option"),
                ));
            };
            given.order.push(flag.name);
            let values = given.seen.entry(flag.name).or_default();
            match flag.takes {
                Takes::Nothing => {}
                Takes::Value(_) => match attached.or_else(|| args.next().cloned()) {
                    Some(value) => values.push(value),
                    None => {
                        return Err(Thrown::new(
                            "joptsimple.OptionMissingRequiredArgumentException",
                            format!("Option {name} requires an argument"),
                        ));
                    }
                },
                Takes::MaybeValue(_) => {
                    let next = args.peek().filter(|next| self::dashes(next) == 0).map(|next| (*next).clone());
                    if let Some(value) = attached {
                        values.push(value);
                    } else if let Some(value) = next {
                        args.next();
                        values.push(value);
                    }
                }
            }
        }
        given.check()?;
        Ok(given)
    }

    /// What `CommandLineUtils.maybePrintHelpOrVersion` does: no words or `--help` end with the help, `--version` with the
    /// version.
    pub(crate) fn begin(&self, given: &Given) -> Result<(), Stop> {
        if given.words == 0 || given.has("help") {
            return Err(Stop::Usage(self.about.to_owned()));
        }
        if given.has("version") {
            super::print::say(super::KAFKA_VERSION);
            return Err(Stop::Exit(0));
        }
        Ok(())
    }

    /// Turns a tool's outcome into its exit code; `report` tells of an exception as this tool does.
    pub(crate) fn end(&self, outcome: Result<(), Stop>, report: impl FnOnce(&Thrown) -> u8) -> u8 {
        match outcome {
            Ok(()) => 0,
            Err(Stop::Exit(code)) => code,
            Err(Stop::Usage(sentence)) => self.usage(&sentence),
            Err(Stop::Thrown(thrown)) => {
                let code = report(&thrown);
                self.suggest(thrown.text());
                code
            }
        }
    }

    /// `CommandLineUtils.printUsageAndExit`: the sentence, the help, and the exit code. The option that was perhaps meant
    /// by one that is none stands below.
    pub(crate) fn usage(&self, sentence: &str) -> u8 {
        super::print::complain(sentence);
        super::print::complain(self.help());
        self.suggest(sentence);
        1
    }

    /// After the complaint of an unknown option: what was perhaps meant.
    pub(crate) fn suggest(&self, complaint: &str) {
        let Some(unknown) = complaint.strip_suffix(" is not a recognized option") else { return };
        let near = self.all().map(|flag| (distance(unknown, flag.name), flag.name)).min();
        if let Some((away, name)) = near
            && away <= (unknown.chars().count() / 3).max(1)
        {
            super::print::complain(format!("Did you mean --{name}?"));
        }
    }
}

/// Wider option columns than this put their text on the next line.
const HELP_COLUMN_MAX: usize = 38;

fn dashes(word: &str) -> usize {
    if word.starts_with("--") {
        2
    } else if word.len() > 1 && word.starts_with('-') {
        1
    } else {
        0
    }
}

/// How many letters must be put in, taken out or exchanged to make one word of the other.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (j, y) in b.iter().enumerate() {
            let up = row[j + 1];
            let here = (diagonal + usize::from(x != *y)).min(up + 1).min(left + 1);
            row[j] = left;
            diagonal = up;
            left = here;
        }
        row[b.len()] = left;
    }
    row[b.len()]
}

/// The value of an option that is no number.
pub(crate) fn unreadable(name: &str, text: &str) -> Thrown {
    let why = Thrown::new("java.lang.NumberFormatException", format!("For input string: \"{text}\""));
    Thrown {
        cause: Some(Box::new(why.within("joptsimple.internal.ReflectionException"))),
        ..Thrown::new(
            "joptsimple.OptionArgumentConversionException",
            format!("Cannot parse argument '{text}' of option {name}"),
        )
    }
}

/// A command line that was read.
#[derive(Debug)]
pub(crate) struct Given {
    spec: &'static Spec,
    seen: BTreeMap<&'static str, Vec<String>>,
    order: Vec<&'static str>,
    rest: Vec<String>,
    words: usize,
}

impl Given {
    fn check(&self) -> Result<(), Thrown> {
        if self.has("help") || self.has("version") {
            return Ok(());
        }
        let names = |names: Vec<&'static str>| names.join(", ");
        let missing: Vec<&str> = self.spec.all().filter(|f| f.required && !self.has(f.name)).map(|f| f.name).collect();
        if !missing.is_empty() {
            let message = format!("Missing required option(s) [{}]", names(super::java::in_hash_order(missing)));
            return Err(Thrown::new("joptsimple.MissingRequiredOptionsException", message));
        }
        let lonely = |f: &Flag| self.has(f.name) && !f.only_with.is_empty() && !self.any(f.only_with);
        let lonely: Vec<&str> = self.spec.all().filter(lonely).map(|f| f.name).collect();
        if !lonely.is_empty() {
            let message =
                format!("Option(s) [{}] are unavailable given other options on the command line", names(lonely));
            return Err(Thrown::new("joptsimple.UnavailableOptionException", message));
        }
        Ok(())
    }

    /// Whether the option is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        debug_assert!(self.spec.find(name).is_some() || name == "json", "{} has no --{name}", self.spec.tool);
        self.seen.contains_key(name)
    }

    /// Whether one of them is there.
    pub(crate) fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    /// How many of them are there.
    pub(crate) fn count(&self, names: &[&str]) -> usize {
        names.iter().filter(|name| self.has(name)).count()
    }

    /// All values of an option, in order.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.seen.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The value of an option; two of them are one too many.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Thrown> {
        match self.all(name) {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(Thrown::new(
                "joptsimple.MultipleArgumentsForOptionException",
                format!("Found multiple arguments for option {name}, but you asked for only one"),
            )),
        }
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Thrown> {
        self.one(name)?.map(|text| text.parse().map_err(|_| unreadable(name, text))).transpose()
    }

    /// The value as Java's `Integer`.
    pub(crate) fn int(&self, name: &str) -> Result<Option<i32>, Thrown> {
        self.number(name)
    }

    /// The value as Java's `Long`.
    pub(crate) fn long(&self, name: &str) -> Result<Option<i64>, Thrown> {
        self.number(name)
    }

    /// The value as Java's `Double`.
    pub(crate) fn double(&self, name: &str) -> Result<Option<f64>, Thrown> {
        self.number(name)
    }

    /// Those of the options that are there, each as often as it is, in the order of the command line.
    pub(crate) fn in_order(&self, names: &[&str]) -> Vec<&'static str> {
        self.order.iter().copied().filter(|name| names.contains(name)).collect()
    }

    /// The words that belong to no option.
    pub(crate) fn rest(&self) -> &[String] {
        &self.rest
    }

    /// Whether tables are wanted as JSON.
    pub(crate) fn json(&self) -> bool {
        self.has("json")
    }

    /// `CommandLineUtils.checkRequiredArgs`.
    pub(crate) fn require(&self, names: &[&str]) -> Result<(), Stop> {
        match names.iter().find(|name| !self.has(name)) {
            Some(missing) => Err(Stop::Usage(format!("Missing required argument \"[{missing}]\""))),
            None => Ok(()),
        }
    }

    /// `CommandLineUtils.checkInvalidArgs`: with the one there, none of the others.
    pub(crate) fn forbid(&self, used: &str, others: &[&str]) -> Result<(), Stop> {
        match others.iter().find(|other| **other != used && self.has(other)) {
            Some(other) if self.has(used) => {
                Err(Stop::Usage(format!("Option \"[{used}]\" can't be used with option \"[{other}]\"")))
            }
            _ => Ok(()),
        }
    }

    /// `CommandLineUtils.checkOneOfArgs`.
    pub(crate) fn exactly_one(&self, names: &[&str]) -> Result<(), Stop> {
        if self.count(names) == 1 {
            return Ok(());
        }
        let names: Vec<String> = names.iter().map(|name| format!("[{name}]")).collect();
        Err(Stop::Usage(format!("Exactly one of the following arguments is required: {}", names.join(", "))))
    }
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
