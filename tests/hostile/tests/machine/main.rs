//! What happens to the folders of a medium: when the fetcher is killed or refused at any system call, when an answer is cut at any byte, and when
//! somebody else put things there.
//!
//! These are no data: each is a loop over everything that can go wrong at one place. The real binary runs; nothing of it is linked.

mod churn;
mod crash;
mod cuts;
mod folders;
mod hand_over;
mod medium;
mod tracer;
