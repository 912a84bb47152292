//! The plaintext of a pack.

use std::collections::BTreeSet;

use anode_bundle::Refusal;
use anode_bundle::name::Id;
use anode_bundle::pack::{Answers, Contents, Prompt, PromptType};
use zeroize::Zeroizing;

use crate::Verdict::{self, Accepted, Refused};
use crate::vector::SEALED;

/// The whole plaintext, or its manifest with the files behind a zero byte: then the frame is put round it here, which mutations hardly ever get right.
/// An accepted pack says the same when it is encoded again, and the answers are in its files where the manifest puts them, and nowhere else.
pub fn pack(data: &[u8]) -> Verdict {
    let framed = match data.iter().position(|byte| *byte == 0) {
        Some(zero) if !data.starts_with(b"ANF") => {
            let (manifest, files) = data.split_at(zero);
            let length = u32::try_from(manifest.len()).unwrap();
            [&b"ANF1"[..], &length.to_be_bytes(), manifest, &files[1..]].concat()
        }
        _ => data.to_vec(),
    };
    let profile = Id::new("debian").unwrap();
    let decode = |plain: &[u8]| Contents::decode(plain, &SEALED.site, &profile);
    let contents = match decode(&framed) {
        Ok(contents) => contents,
        Err(refusal) => {
            assert!(matches!(refusal, Refusal::UnsealFailed { .. } | Refusal::TooNew { .. }), "{refusal:?}");
            return Refused;
        }
    };
    let encoded = contents.encode().unwrap();
    let again = decode(&encoded).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!((again.manifest(), again.encode().unwrap()), (contents.manifest(), encoded));
    let manifest = contents.manifest();
    let payload: usize = contents.files().map(|(_, bytes)| bytes.len()).sum();
    let tail: Vec<u8> = contents.files().flat_map(|(_, bytes)| bytes).copied().collect();
    assert_eq!(tail, framed[framed.len() - payload..]);
    assert!(contents.files().all(|(file, bytes)| file.length == bytes.len() as u64 && file.mode & !0o777 == 0));
    assert_eq!(manifest.files.iter().map(|file| &file.path).collect::<BTreeSet<_>>().len(), manifest.files.len());
    fill(&contents);
    Accepted
}

fn fill(contents: &Contents) {
    let prompts = &contents.manifest().prompts;
    let answers: Answers = prompts.iter().map(|p| (p.name.clone(), Zeroizing::new(answer(p)))).collect();
    if prompts.iter().any(|prompt| prompt.check(&answers[&prompt.name]).is_err()) {
        assert!(contents.fill(&answers).is_err());
        return;
    }
    let filled = contents.fill(&answers).unwrap_or_else(|refusal| panic!("{refusal}"));
    for ((file, before), after) in contents.files().zip(&filled) {
        let mut rest = after.bytes.as_slice();
        let mut begin = 0;
        for insert in &file.inserts {
            let at = usize::try_from(insert.at).unwrap();
            rest = rest.strip_prefix(&before[begin..at]).expect("the text before an answer");
            rest = rest.strip_prefix(answers[&insert.prompt].as_bytes()).expect("the answer");
            begin = at;
        }
        assert_eq!(rest, &before[begin..]);
    }
    if let Ok(Some(line)) = contents.command_line(&answers) {
        assert!(line.len() <= 2000 && !line.contains(['\n', '\0']), "{line:?}");
    }
    if let Some(first) = prompts.first() {
        let missing: Answers = answers.into_iter().filter(|(name, _)| *name != first.name).collect();
        assert!(matches!(contents.fill(&missing), Err(Refusal::AnswerInvalid { .. })));
    }
}

/// What fits most prompts of a type.
pub fn answer(prompt: &Prompt) -> String {
    match prompt.kind {
        PromptType::Password => "$6$saltsaltsalt$abcdefghijklmno".to_owned(),
        PromptType::Passphrase => "sample passphrase".to_owned(),
        PromptType::Disk => "/dev/sda".to_owned(),
        PromptType::Language => "de_DE.UTF-8".to_owned(),
        PromptType::Choice => prompt.choices.first().map(|choice| choice.value.clone()).unwrap_or_default(),
        PromptType::Number => prompt.min.unwrap_or(1).to_string(),
        _ => "de".to_owned(),
    }
}
