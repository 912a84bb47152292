//! `anode lock` against small archives that are laid out, signed and broken as those of real distributions are, by the real `gpg`.

mod at_once;
mod behind_a_proxy;
mod boot_loaders;
mod desk;
mod hook_points;
mod published;
mod renewing;
mod transfer;
mod vouching;
