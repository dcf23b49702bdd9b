use std::fs;
use std::sync::Arc;

use super::*;
use crate::key::{Basis, Numeric};
use crate::tests::{claim, commit_with_evidence, found, inputs, store};
use crate::{Manifest, Store};

/// Those of [`inputs`] with one thing changed.
fn changed(change: impl Fn(&mut Basis)) -> KeyInputs {
    let mut key_inputs = inputs(0);
    change(Arc::make_mut(&mut key_inputs.basis));
    key_inputs
}

fn with_code(code: &[u8]) -> KeyInputs {
    changed(|basis| {
        basis.code.insert("nn".into(), Digest::of(code));
    })
}

fn carried_over(original_inputs: KeyInputs) -> CarriedOver {
    CarriedOver {
        original: original_inputs.key(),
        original_inputs,
        shown: "2026-01-02T00:00:00Z".into(),
        seconds: 2.5,
        host: "there".into(),
        cpu: "other".into(),
        stretches: vec![ShownStretch {
            from: 0,
            to: 10,
            state: "ab".into(),
        }],
    }
}

/// The result of [`inputs`], carried over to these.
fn carry(store: &Store, original: &Digest, key_inputs: KeyInputs) -> Manifest {
    Manifest {
        key: key_inputs.key(),
        key_inputs,
        carried_over: Some(carried_over(inputs(0))),
        ..store.expect_manifest(original).unwrap()
    }
}

#[test]
fn a_result_that_is_carried_over_is_found_under_its_new_key_with_the_record_of_its_own_run() {
    let folder = testing::folder();
    let store = store(folder.path());
    let original = commit_with_evidence(&store, 0, "curve", &[("10", "state")]);
    let manifest = carry(&store, &original, with_code(b"new"));
    let claim = claim(&store, &manifest.key);
    fs::write(claim.log(), "what the replay printed").unwrap();
    store.commit(&claim, &manifest).unwrap();
    drop(claim);
    let entry = found(&store, &manifest.key);
    assert!(entry.carried_over && !found(&store, &original).carried_over);
    assert_eq!(entry.outputs, found(&store, &original).outputs);
    let read = store.expect_manifest(&manifest.key).unwrap();
    assert_eq!(read, manifest);
    // Its log is that of the run that computed it.
    let printed = Digest::of_file(&store.log_path(&manifest.key)).unwrap();
    assert_eq!(Some(printed), read.run.log.map(|log| log.digest));
    // Another process knows as much from the index.
    std::thread::sleep(std::time::Duration::from_millis(60));
    store.save_index().unwrap();
    let other = Store::at(folder.path(), false);
    assert_eq!(found(&other, &manifest.key), entry);
}

#[test]
fn a_result_can_be_carried_over_when_the_log_of_its_run_is_gone() {
    let folder = testing::folder();
    let store = store(folder.path());
    let original = commit_with_evidence(&store, 0, "curve", &[]);
    let manifest = carry(&store, &original, with_code(b"new"));
    fs::remove_file(store.log_path(&original)).unwrap();
    store
        .commit(&claim(&store, &manifest.key), &manifest)
        .unwrap();
    found(&store, &manifest.key);
    assert!(!store.log_path(&manifest.key).exists());
}

#[test]
fn a_result_cannot_be_carried_over_from_itself_or_from_another_computation() {
    let folder = testing::folder();
    let store = store(folder.path());
    let original = commit_with_evidence(&store, 0, "curve", &[]);
    let numeric = |backend: &str, version: &str| Numeric {
        backend: backend.into(),
        version: version.into(),
        float: "f32".into(),
        architecture: "x86_64".into(),
        compiler: version.into(),
    };
    let on = |backend: &str, version: &str| {
        changed(|basis| basis.numeric = Some(numeric(backend, version)))
    };
    let mut with_input = with_code(b"new");
    with_input.inputs.insert("data".into(), Digest::of(b"data"));
    let mut with_seed = with_code(b"new");
    with_seed.parameters = inputs(1).parameters;
    let other = "from another computation";
    let cases = [
        (inputs(0), inputs(0), "from itself"),
        (inputs(0), with_seed, other),
        (inputs(0), with_input, other),
        (inputs(0), on("flex", "1"), other),
        (on("flex", "1"), on("tch:cpu", "1"), other),
        (
            inputs(0),
            changed(|basis| basis.kind = "evaluate".into()),
            other,
        ),
        (on("flex", "1"), on("flex", "2"), ""),
        (inputs(0), with_code(b"new"), ""),
    ];
    for (from, to, said) in cases {
        let fits = carried_over(from).expect_to_fit(&to);
        let error = fits.err().map_or_else(String::new, |it| it.to_string());
        assert_eq!(error.is_empty(), said.is_empty(), "{error}");
        assert!(error.contains(said), "{error}");
    }
    // Neither is one added to the store, nor one read.
    let mut manifest = carry(&store, &original, with_code(b"new"));
    let claim = claim(&store, &manifest.key);
    for key in [Digest::of(b"elsewhere"), manifest.key] {
        if let Some(it) = &mut manifest.carried_over {
            it.original = key;
        }
        assert!(store.commit(&claim, &manifest).is_err());
        let path = store.manifest_path(&manifest.key);
        manifest.write(&claim.folder().join("m"), &path).unwrap();
        let said = store.expect_manifest(&manifest.key).unwrap_err();
        assert!(format!("{said:#}").contains("is altered"), "{said:#}");
    }
}

#[test]
fn a_manifest_from_before_there_was_evidence_is_read_with_the_checksum_that_it_has() {
    let key = inputs(0).key();
    let object = Digest::of(b"curve");
    let manifest = format!(
        r#"{{"step":"train/a/seed0","key":"{key}","key_inputs":{{"basis":{{"schema":3,"kind":"train","code":{{}},"crates":{{}},"numeric":null}},"parameters":{{"seed":0}},"inputs":{{}}}},"outputs":{{"metrics.jsonl":{{"digest":"{object}","bytes":5}}}},"summary":"done","run":{{"started":"2026-01-01T00:00:00Z","seconds":1.5,"work_seconds":1.0,"amount":1.0,"threads":1,"because":[],"host":"here","cpu":"some","fig6":"0.1.0"}}}}"#
    );
    let checksum = Digest::of(manifest.as_bytes());
    let sealed = format!(r#"{{"checksum":"{checksum}","manifest":{manifest}}}"#);
    let read = Manifest::parse(sealed.as_bytes(), &key).unwrap();
    assert!(read.evidence.is_empty() && read.carried_over.is_none());
    assert_eq!(serde_json::to_string(&read).unwrap(), manifest);
}

#[test]
fn evidence_whose_name_would_lead_elsewhere_is_not_used() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit_with_evidence(&store, 0, "curve", &[("10", "state")]);
    let mut manifest = store.expect_manifest(&key).unwrap();
    let evidence = manifest.evidence["10"].clone();
    for name in ["..", "../10", "/10", ""] {
        manifest.evidence = [(name.to_owned(), evidence.clone())].into();
        let path = store.manifest_path(&key);
        manifest.write(&folder.path().join("m"), &path).unwrap();
        let said = store.expect_manifest(&key).unwrap_err();
        let said = format!("{said:#}");
        assert!(said.contains("is no name of evidence"), "{said}");
    }
}
