//! The API as clients see it: HTTP requests through the service, and the real kubectl over HTTPS. What
//! kubectl is expected to print is what it prints against a real API server of the same version.

mod client;
mod inspect;
mod kubectl;
mod lists;
mod memory;
mod objects;
mod watches;
mod workloads;
mod write;
