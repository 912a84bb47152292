//! The definitions in `profiles/` are embedded: a file that was added there is part of the program too.

fn main() {
    println!("cargo::rerun-if-changed=../profiles");
}
