//! Answers that others computed: the RFCs behind format 1, and Wycheproof's collection of what implementations got wrong.
//!
//! They are asked of the functions that this crate calls with an attacker's bytes, or, where a public function fixes a parameter (`info` and `aad` of
//! HPKE, the nonce of a pack, the floor of Argon2id's cost), of the very library behind it. Every group's numbers are asserted, so that a vector that
//! is skipped is a failure. The values of `rfc.json` are computed anew by other programs with `vectors/make.py --check`.

mod rfc;
mod wycheproof;
