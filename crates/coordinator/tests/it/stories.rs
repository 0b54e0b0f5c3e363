//! `testdata/stories/*.txt`: directives, dashes, what came of it. `UPDATE=1` writes down what comes of it now.

use std::path::PathBuf;

use crate::stage::Stage;

/// Runs a story and returns it with the answers that were really given.
fn told(story: &str) -> String {
    let mut stage = Stage::new();
    let mut out = String::new();
    let mut lines = story.lines().peekable();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let said = stage.act(line);
        if lines.peek() == Some(&"----") {
            while lines.next_if(|next| !next.is_empty()).is_some() {}
        }
        out.push_str(&format!("----\n{said}\n"));
        if lines.peek().is_some_and(|next| !next.is_empty()) {
            out.push('\n');
        }
    }
    out
}

#[test]
fn every_story_comes_out_as_it_is_told() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/stories");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut wrong = Vec::new();
    for file in files {
        let story = std::fs::read_to_string(&file).unwrap();
        let now = told(&story);
        if now == story {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, now).unwrap();
        } else {
            let differs = story.lines().zip(now.lines()).find(|(a, b)| a != b);
            wrong.push(format!("{}: expected, then got: {differs:#?}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
