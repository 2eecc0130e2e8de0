//! The API as clients see it: HTTP requests through the service.

mod client;
mod lists;
mod memory;
mod objects;
mod watches;
