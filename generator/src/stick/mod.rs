//! A stick with the medium on it: which disks there are and what they are used for, writing an image to one, and the cached tree beside it.
//!
//! A disk is erased here, so it is refused whenever something of it is in use, and whoever wants it says its name. That nobody else has the disk is asked of
//! the kernel as well, which knows more than any list of ours: it is opened exclusively.

pub mod cache;
pub mod disks;
pub mod image;
pub mod partition;
