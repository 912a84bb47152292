//! What the whole-system tests share: temporary sites, servers that end with their test, and the binaries under test.
