//! The wire contract and its translation to the model
