//! The operator's side: a git repository of profiles is compiled, sealed and signed into a static tree.
//!
//! The arrow is load → model → render → validate → plan → sign → write; everything up to the plan is pure. Only [`cmd`] prints, only [`tree`] and
//! [`publish`] create output, only [`keys`] reads a secret key. What the medium will do with the tree is done here with the medium's own code.

pub mod build;
pub mod builtin;
pub mod canary;
pub mod clock;
pub mod cmd;
pub mod codes;
pub mod diagnose;
pub mod documents;
pub mod expiry;
pub mod founding;
pub mod graph;
pub mod initrd;
pub mod keys;
pub mod lock;
pub mod loopback;
pub mod medium;
pub mod pages;
pub mod plan;
pub mod probe;
pub mod publish;
pub mod render;
pub mod repository;
pub mod roots;
pub mod secrets;
pub mod show;
pub mod status;
pub mod stick;
pub mod strict;
pub mod tree;
pub mod trusted;
pub mod validate;
