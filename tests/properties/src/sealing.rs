//! Sealed objects: what opens is what was sealed, byte for byte, and nothing else does.

use anode_bundle::Refusal;
use anode_bundle::name::Id;
use anode_bundle::seal::{ACTIVATION_LIMIT, SealKeyPair, open_activation, open_pack, size_class};
use zeroize::Zeroizing;

use crate::Verdict::{self, Accepted, Refused};
use crate::vector::SEALED;

/// Which byte of the object, so that the whole of it comes up sooner or later.
fn place(data: &[u8], length: usize) -> usize {
    let sum = data.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    sum % length
}

fn is_of_the_publisher(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::UnsealFailed { .. } | Refusal::TooNew { .. })
}

/// As an object, only what was sealed in this one way opens. As a text, it is sealed in its one way, opens again, and does not survive a changed bit.
pub fn activation(data: &[u8]) -> Verdict {
    let keys = SealKeyPair::derive(&Zeroizing::new(SEALED.recipient));
    let (site, locator) = (&SEALED.site, &SEALED.locator);
    let seal = |plain: &[u8]| SEALED.root.seal_activation(site, locator, &keys.public, plain);
    match open_activation(site, locator, &keys, data) {
        Ok(plain) => {
            assert_eq!(seal(&plain).unwrap(), data, "an object that nobody sealed");
            return Accepted;
        }
        Err(refusal) => assert!(is_of_the_publisher(&refusal)),
    }
    let Ok(mut object) = seal(data) else {
        assert!(data.len() > 60 << 10);
        return Refused;
    };
    assert!(object.len() as u64 <= ACTIVATION_LIMIT && object.len() == size_class(object.len()));
    assert_eq!(open_activation(site, locator, &keys, &object).unwrap().as_slice(), data);
    let place = place(data, object.len());
    object[place] ^= 1 << (data.len() % 8);
    assert!(open_activation(site, locator, &keys, &object).is_err());
    Refused
}

/// The same for a pack; its generation is part of what is compared.
pub fn pack(data: &[u8]) -> Verdict {
    let profile = Id::new("debian").unwrap();
    let (site, root) = (&SEALED.site, &SEALED.root);
    let (pack_id, key) = (root.pack_id(&profile, None), root.pack_key(&profile, None, 1));
    let open = |object: &[u8], generation| open_pack(site, &pack_id, &key, generation, object);
    match open(data, 1) {
        Ok(plain) => {
            assert_eq!(root.seal_pack(site, &profile, None, 1, &plain).unwrap(), data, "an object that nobody sealed");
            return Accepted;
        }
        Err(refusal) => assert!(is_of_the_publisher(&refusal)),
    }
    let mut object = root.seal_pack(site, &profile, None, 1, data).expect("far from the limit");
    assert_eq!(object.len(), size_class(object.len()));
    assert_eq!(open(&object, 1).unwrap().as_slice(), data);
    assert!(open(&object, 2).is_err());
    let place = place(data, object.len());
    object[place] ^= 1 << (data.len() % 8);
    assert!(open(&object, 1).is_err());
    Refused
}
