//! Directive files: a command, optional input lines, `----`, and what is expected. `UPDATE=1` rewrites the expectation.

use std::collections::BTreeMap;
use std::path::Path;

/// One command of a file.
pub struct Directive {
    /// The first word.
    pub name: String,
    /// Words of the form `key=value`.
    pub args: BTreeMap<String, String>,
    /// The other words of the first line.
    pub words: Vec<String>,
    /// The lines between the command and `----`.
    pub input: Vec<String>,
}

impl Directive {
    fn parse(text: &str) -> Self {
        let mut lines = text.lines().filter(|l| !l.starts_with('#'));
        let mut words = lines.next().unwrap_or_default().split_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        let (mut args, mut rest) = (BTreeMap::new(), Vec::new());
        for word in words {
            match word.split_once('=') {
                Some((k, v)) if k.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
                    args.insert(k.to_owned(), v.to_owned());
                }
                _ => rest.push(word.to_owned()),
            }
        }
        Self { name, args, words: rest, input: lines.map(str::to_owned).collect() }
    }

    pub fn arg<T: std::str::FromStr>(&self, name: &str, default: T) -> T {
        self.args.get(name).and_then(|v| v.parse().ok()).unwrap_or(default)
    }
}

/// Runs every file of a folder of `testdata`; `fresh` makes the state that a file starts with.
pub fn run<S>(folder: &str, fresh: impl Fn() -> S, mut step: impl FnMut(&mut S, &Directive) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no directive files in {}", folder.display());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut state = fresh();
        let mut out = String::new();
        for block in text.split("\n\n").map(str::trim).filter(|b| !b.is_empty()) {
            let head = block.split("\n----").next().unwrap_or_default();
            if head.lines().all(|l| l.starts_with('#')) {
                out.push_str(&format!("{head}\n\n"));
                continue;
            }
            // An empty line would end the block.
            let got = step(&mut state, &Directive::parse(head)).replace("\n\n", "\n.\n");
            let got = if got.starts_with('\n') { format!(".{got}") } else { got };
            out.push_str(&format!("{}\n----\n{}\n\n", head.trim_end(), got.trim_end()));
        }
        let out = format!("{}\n", out.trim_end());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, out).unwrap();
        } else {
            assert_eq!(out, text, "{} differs; UPDATE=1 rewrites it", file.display());
        }
    }
}
