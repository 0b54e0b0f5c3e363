//! Runs the directive files under `testdata/partition`.
