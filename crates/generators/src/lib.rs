//! Generators and templates: sets and a world snapshot to elements and problems. Pure
