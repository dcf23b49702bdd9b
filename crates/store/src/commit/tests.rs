use super::*;
use crate::tests::{claim, commit_with_evidence, found, inputs, store};

#[test]
fn what_a_step_leaves_as_evidence_is_in_the_store_and_its_result_is_found_without_it() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit_with_evidence(&store, 0, "curve", &[("trace.json", "t"), ("10", "state")]);
    let evidence = store.expect_manifest(&key).unwrap().evidence;
    let names: Vec<&str> = evidence.keys().map(String::as_str).collect();
    assert_eq!(names, ["10", "trace.json"]);
    let path = store.evidence_file(&evidence["10"]).unwrap().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "state");
    assert!(fs::metadata(&path).unwrap().permissions().readonly());
    fs::remove_file(&path).unwrap();
    assert_eq!(store.evidence_file(&evidence["10"]).unwrap(), None);
    fs::write(&path, "stale").unwrap();
    let said = store.evidence_file(&evidence["10"]).unwrap_err();
    assert!(said.to_string().contains("was altered"), "{said}");
    found(&store, &key);
}

#[test]
fn each_run_of_a_step_begins_without_evidence() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = inputs(0).key();
    let first = claim(&store, &key);
    fs::write(first.evidence().join("10"), "state").unwrap();
    drop(first);
    assert!(claim(&store, &key).collect_evidence().unwrap().is_empty());
}

#[test]
fn evidence_that_is_no_plain_file_is_refused() {
    let folder = testing::folder();
    let store = store(folder.path());
    let claim = claim(&store, &inputs(0).key());
    let path = claim.evidence().join("10");
    let refused = || {
        let error = claim.collect_evidence().unwrap_err().to_string();
        assert!(error.contains("is no plain file"), "{error}");
    };
    fs::create_dir(&path).unwrap();
    refused();
    fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    refused();
}

#[test]
fn contents_that_are_in_the_store_need_not_be_written_again_and_others_must() {
    let folder = testing::folder();
    let store = store(folder.path());
    let first = commit_with_evidence(&store, 0, "curve", &[("10", "state")]);
    let second = claim(&store, &inputs(1).key());
    let manifest = Manifest {
        key: inputs(1).key(),
        key_inputs: inputs(1),
        ..store.expect_manifest(&first).unwrap()
    };
    let gone = Manifest {
        evidence: [("20".to_owned(), manifest.evidence["10"].clone())].into(),
        ..manifest.clone()
    };
    let object = store.object_path(&manifest.evidence["10"].digest);
    fs::remove_file(&object).unwrap();
    assert!(store.commit(&second, &gone).is_err());
    assert!(store.manifest(&gone.key).unwrap().is_none());
    fs::write(second.evidence().join("20"), "state").unwrap();
    store.commit(&second, &gone).unwrap();
    assert!(object.exists());
    drop(second);
    let again = claim(&store, &manifest.key);
    store.commit(&again, &manifest).unwrap();
    found(&store, &manifest.key);
}

#[test]
fn a_content_that_is_damaged_in_the_store_is_replaced_by_the_one_that_was_written() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit_with_evidence(&store, 0, "curve", &[("10", "state")]);
    let evidence = store.expect_manifest(&key).unwrap().evidence["10"].clone();
    let path = store.object_path(&evidence.digest);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "stale").unwrap();
    commit_with_evidence(&store, 1, "other", &[("10", "state")]);
    assert_eq!(store.evidence_file(&evidence).unwrap(), Some(path));
    assert!(folder.path().join("set-aside").exists());
}

#[test]
fn evidence_that_is_gone_is_brought_back_when_its_step_writes_the_same_again() {
    let folder = testing::folder();
    let store = store(folder.path());
    let key = commit_with_evidence(&store, 0, "curve", &[("10", "state"), ("20", "later")]);
    let evidence = store.expect_manifest(&key).unwrap().evidence;
    for evidence in evidence.values() {
        fs::remove_file(store.object_path(&evidence.digest)).unwrap();
    }
    let again = claim(&store, &key);
    fs::write(again.evidence().join("10"), "state").unwrap();
    fs::write(again.evidence().join("20"), "other").unwrap();
    store.restore_evidence(&again).unwrap();
    assert!(store.evidence_file(&evidence["10"]).unwrap().is_some());
    assert_eq!(store.evidence_file(&evidence["20"]).unwrap(), None);
    assert_eq!(store.list_objects().unwrap().len(), 2);
}
