//! The named limits of what is read from a socket.

/// Array elements of all arrays of one request together.
pub const REQUEST_ELEMENTS_MAX: usize = 1_000_000;

/// Tagged fields of one request together.
pub const REQUEST_TAGGED_FIELDS_MAX: usize = 10_000;

/// The shortest frame that can be a request: API key, version and correlation id.
pub const REQUEST_BYTES_MIN: usize = 8;
