//! The spoke agent: session, source, render, reconcile, health, inventory, status
