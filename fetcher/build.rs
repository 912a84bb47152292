//! Links the binary on the medium small: without unwind tables and what reads them, for a panic aborts, and with packed relocations.

use std::env::var;

/// What the standard library calls of it. A panic has said what it has to say by then, and aborts in any case.
const STACK_WALK: [&str; 10] = [
    "Backtrace",
    "GetDataRelBase",
    "GetIP",
    "GetIPInfo",
    "GetLanguageSpecificData",
    "GetRegionStart",
    "GetTextRelBase",
    "Resume",
    "SetGR",
    "SetIP",
];

fn main() {
    println!("cargo::rerun-if-changed=link.ld");
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    // Cargo does not tell a build script the profile's name or its `panic`; only the profile `fetcher` optimises for size.
    if is("CARGO_CFG_TARGET_ENV", "musl") && is("OPT_LEVEL", "z") {
        let folder = var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/link.ld");
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        // Relative relocations as a bitmap (DT_RELR), which musl's start-up code reads since 1.2.4.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        // The standard library would walk the stack for RUST_BACKTRACE, and has a library for it, which finds no tables here.
        for name in STACK_WALK {
            println!("cargo::rustc-link-arg-bins=-Wl,--defsym=_Unwind_{name}=abort");
        }
    }
}
