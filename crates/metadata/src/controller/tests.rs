//! Tables and stories.
