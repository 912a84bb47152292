//! .
pub mod builtin;
pub mod diagnose;
pub mod repository;
