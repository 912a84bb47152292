//! Types that hold secrets can not be printed, not be serialised, and are wiped when they are dropped. This file does not compile otherwise.

use std::fmt::{Debug, Display};

use anode::canary::{Canary, Search};
use anode::keys::{GivenSecret, KeyRing, Signer, SshKey};
use anode::plan::Memo;
use anode::repository::CodeTerms;
use anode::secrets::{SecretValue, SecretValues};
use anode_bundle::activation::{Activation, Offer, PackKey};
use anode_bundle::code::{Code, Machine, Phrase, Secret};
use anode_bundle::derive::Derived;
use anode_bundle::keyed::Key;
use anode_bundle::pack::{Contents, FilledFile};
use anode_bundle::seal::{SealKeyPair, SealRoot};
use anode_fetch::answers::Sheet;
use serde::Serialize;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Two implementations fit a type that has the trait, and the compiler can not choose.
macro_rules! without {
    ($trait:path: $($type:ty),+ $(,)?) => {$(
        const _: fn() = || {
            trait Ambiguous<Which> {
                fn choose() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct HasTheTrait;
            impl<T: ?Sized + $trait> Ambiguous<HasTheTrait> for T {}
            let _ = <$type as Ambiguous<_>>::choose;
        };
    )+};
}

macro_rules! not_printable {
    ($($type:ty),+ $(,)?) => {
        without!(Debug: $($type),+);
        without!(Display: $($type),+);
        without!(Serialize: $($type),+);
    };
}

not_printable!(
    // codes, and what they derive
    Code,
    Phrase,
    Machine,
    Secret,
    Derived,
    SealKeyPair,
    // what seals, what is sealed, and what opens it
    SealRoot,
    PackKey,
    Offer,
    Activation,
    Contents,
    FilledFile,
    Sheet,
    // the operator's keys, and what is made of them
    Signer,
    SshKey,
    KeyRing,
    GivenSecret,
    CodeTerms,
    SecretValue,
    SecretValues,
    Memo,
    Canary,
    Search,
);
// Buffers that are wiped: the library's `Debug` shows nothing of them, see below.
without!(Display: Key, Zeroizing<Vec<u8>>);
without!(Serialize: Key, Zeroizing<Vec<u8>>, Zeroizing<String>);

/// The fields of a type that hold its secret, and the types that wipe them.
fn wiped<T: ZeroizeOnDrop>(_: &T) {}

#[allow(dead_code, reason = "compiling it is the test")]
fn every_field_with_a_secret_is_wiped(
    (code, phrase, machine, root, pack_key): (&Code, &Phrase, &Machine, &SealRoot, &PackKey),
    (derived, offer, activation, file, terms): (&Derived, &Offer, &Activation, &FilledFile, &CodeTerms),
) {
    wiped(code);
    wiped(phrase);
    wiped(machine);
    wiped(root);
    wiped(pack_key);
    wiped(&derived.claim_key);
    // `derived.seal` holds the key of a library that wipes it and does not say so in its type.
    wiped(&offer.pack_key);
    activation.answers.values().for_each(wiped);
    wiped(&file.bytes);
    wiped(&terms.claim_key);
}

#[test]
fn a_wiped_buffer_prints_nothing_of_what_it_holds() {
    let shown = format!("{:?} {:?}", Zeroizing::new([0xAB_u8; 32]), Zeroizing::new("horse".to_owned()));
    assert!(!shown.contains("171") && !shown.to_lowercase().contains("ab") && !shown.contains("horse"), "{shown}");
}
