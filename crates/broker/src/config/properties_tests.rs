//! The corners of Java's properties format that server.properties files really use.

use super::parse;

#[test]
fn comments_separators_continued_lines_and_escapes() {
    let text = "# a comment\n! another\n\nnode.id=1\nlog.dirs : /a/b \nlisteners PLAINTEXT://:9092,\\\n    CONTROLLER://:9093\nempty=\n  spaced = x y\npath=c:\\\\logs\nuni=\\u00e9\n";
    let pairs = parse(text);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        pairs,
        [
            ("node.id", "1"),
            ("log.dirs", "/a/b"),
            ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
            ("empty", ""),
            ("spaced", "x y"),
            ("path", "c:\\logs"),
            ("uni", "é"),
        ]
    );
}
