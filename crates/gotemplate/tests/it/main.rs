//! Templates against the answers of Go, limits, places of errors, and arbitrary input.

mod answers;
mod certificates;
mod limits;
mod properties;
