//! Stands in for the published crate `dirs`, whose dependency `option-ext` is not permissively licensed. The one thing
//! that deltalake asks of it is the home directory, to expand `~` in a table's path.

use std::path::PathBuf;

/// The user's home directory, if there is one.
pub fn home_dir() -> Option<PathBuf> {
    std::env::home_dir()
}
