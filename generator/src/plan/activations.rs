//! Sealing the terms of every code to the key pair that the code derives.

use std::collections::BTreeMap;

use anode_bundle::activation::{Activation, Offer, PackKey, Status};
use anode_bundle::index::Entry;
use anode_bundle::name::Sha256;
use anyhow::{Context as _, Result};
use rayon::prelude::*;
use zeroize::Zeroizing;

use super::packs::{Packs, probe_name};
use super::{Ingredients, Object, add_objects};
use crate::repository::CodeTerms;

/// How long an expired activation still says so, before it disappears.
const AFTERLIFE: u64 = 30 * 86_400;

/// Seals one activation for each code that is not gone.
pub(super) fn seal(
    ingredients: &Ingredients<'_>,
    packs: &Packs,
    objects: &mut BTreeMap<Sha256, Object>,
) -> Result<Vec<Entry>> {
    let living: Vec<&CodeTerms> = ingredients
        .repository
        .codes
        .iter()
        .chain([ingredients.probe])
        .filter(|terms| terms.not_after.plus(AFTERLIFE) >= ingredients.at)
        .collect();
    ingredients.progress.begin("sealing activations", living.len());
    let sealed: Vec<_> = living
        .into_par_iter()
        .map(|terms| {
            let result = seal_one(ingredients, packs, terms)
                .with_context(|| format!("sealing the activation of `{}`", terms.path()));
            ingredients.progress.step();
            result
        })
        .collect::<Result<_>>()?;
    Ok(add_objects(sealed, objects))
}

fn seal_one(ingredients: &Ingredients<'_>, packs: &Packs, terms: &CodeTerms) -> Result<(Entry, Option<Vec<u8>>)> {
    let site = &ingredients.repository.site.id;
    let json = activation(ingredients, packs, terms)?.encode()?;
    let inputs: [&[u8]; 5] =
        [b"activation", site.as_str().as_bytes(), terms.locator.as_bytes(), terms.public_key.as_bytes(), &json];
    let (sealed, object) = ingredients
        .memo
        .sealed(&inputs, || Ok(ingredients.seal.seal_activation(site, &terms.locator, &terms.public_key, &json)?))?;
    Ok((Entry { key: terms.locator.0, sha256: sealed.0, length: sealed.1 }, object))
}

fn activation(ingredients: &Ingredients<'_>, packs: &Packs, terms: &CodeTerms) -> Result<Activation> {
    let repository = ingredients.repository;
    // A code that can not be used any more gives no keys away.
    let status = if terms.not_after < ingredients.at { Status::Expired } else { terms.status };
    let offers = match status {
        Status::Active => offers(ingredients, packs, terms)?,
        Status::UsedUp | Status::Expired => Vec::new(),
    };
    Ok(Activation {
        format: 1,
        site: repository.site.id.clone(),
        locator: terms.locator,
        status,
        org: terms.organisation.clone(),
        org_title: repository
            .organisation(&terms.organisation)
            .map(|organisation| organisation.title.clone())
            .unwrap_or_default(),
        label: terms.label.clone(),
        not_before: terms.not_before,
        not_after: terms.not_after,
        uses: terms.uses,
        online: terms.online,
        machines: terms.machines.clone(),
        answers: terms.answers.iter().map(|(name, answer)| (name.clone(), Zeroizing::new(answer.clone()))).collect(),
        rules: if offers.is_empty() { Vec::new() } else { terms.rules.clone() },
        offers,
        critical: Vec::new(),
    })
}

fn offers(ingredients: &Ingredients<'_>, packs: &Packs, terms: &CodeTerms) -> Result<Vec<Offer>> {
    let (seal, generations) = (ingredients.seal, &ingredients.repository.generations);
    let probe = probe_name()?;
    if terms.organisation == probe {
        let generation = generations.of(&probe, Some(&probe));
        return Ok(vec![Offer {
            profile: probe.clone(),
            title: "Probe".to_owned(),
            pack_id: seal.pack_id(&probe, Some(&probe)),
            generation,
            pack_key: PackKey(seal.pack_key(&probe, Some(&probe), generation)),
            unattended: true,
        }]);
    }
    let offer = |profile| {
        let ((profile, organisation), rendered) = packs
            .offered(profile, &terms.organisation)
            .with_context(|| format!("the profile `{profile}` is not there for `{}`", terms.organisation))?;
        let organisation = organisation.as_ref();
        let generation = generations.of(profile, organisation);
        let manifest = rendered.contents.manifest();
        Ok(Offer {
            profile: profile.clone(),
            title: manifest.title.clone(),
            pack_id: seal.pack_id(profile, organisation),
            generation,
            pack_key: PackKey(seal.pack_key(profile, organisation, generation)),
            unattended: manifest.unattended,
        })
    };
    terms.profiles.iter().map(offer).collect()
}
