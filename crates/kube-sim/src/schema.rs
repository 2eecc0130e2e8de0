//! What kinds of objects there are and how their fields behave. Pure.
//!
//! Built-in types come from a compact table that `cargo xtask kube-types` derives from a real
//! server's OpenAPI; types of custom resources are made from their definitions. [`table`] is the
//! form both end in, [`registry`] says which resources are served.
//!
//! A request's object passes, in this order, [`check_types`] (400), [`prune`] (what is unknown goes, and
//! strict validation names it), [`normalise`], [`default`], the defaults that only code knows (see
//! `admission`), [`normalise`] again, and [`validate`] (422, custom resources only).

pub mod builtin;
pub mod custom;
pub mod decode;
mod duplicates;
pub mod quantity;
pub mod registry;
mod scalar;
pub mod table;
mod validate;

pub use custom::{check_definition, custom_resources};
pub use decode::{check_types, default, normalise, prune};
pub use duplicates::duplicates;
pub use registry::{Group, PrinterColumn, Registry, Resource, ScalePaths, Subresource};
pub use table::{Field, ListMerge, Node, Scalar, Strategy, StructNode, Table, TypeHandle, TypeId};
pub use validate::validate;
