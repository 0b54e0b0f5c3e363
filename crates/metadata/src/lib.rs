//! The cluster's metadata: its records, the immutable image they add up to, the controller that decides on new ones, and
//! the tables of configs. Pure: no clock, no file, no socket.

pub mod config;
pub mod controller;
pub mod features;
pub mod image;
pub mod limits;
pub mod records;
pub mod snapshot;

pub use controller::Controller;
pub use image::Image;

/// Whether a topic may have this name.
pub fn is_valid_topic_name(name: &str) -> bool {
    controller::invalid_topic_name(name).is_none()
}
