use serde_json::json;

use super::*;
use crate::weights::Values;

fn values(values: &[f32]) -> Values {
    Values {
        shape: vec![values.len()],
        values: values.to_vec(),
    }
}

fn checkpoint(iteration: u64) -> Checkpoint {
    let name = |name: &str| name.to_owned();
    Checkpoint {
        identity: json!({"recipe": {"momentum": 0.9}, "seed": 3}),
        progress: TrainProgress {
            iteration,
            learning_rate: 0.1,
            window: Tally {
                images: 128,
                errors: 100,
                losses: 0.1 + 0.2,
            },
            ..TrainProgress::default()
        },
        trained_on: TrainedOn {
            classes: Some((0..10).map(|at| format!("class {at}")).collect()),
            mean: Some([0.25, 0.5, 0.75]),
            std: None,
        },
        weights: State::from([
            (
                name("conv1.weight"),
                values(&[1.5, -0.0, f32::MIN_POSITIVE / 2.0]),
            ),
            (name("bn1.running_var"), values(&[1.0])),
        ]),
        momentum_buffers: State::from([(name("conv1.weight"), values(&[0.1, 0.2, 0.3]))]),
    }
}

fn folder() -> (tempfile::TempDir, Checkpoints) {
    let folder = testing::folder();
    let checkpoints = Checkpoints {
        folder: folder.path().to_owned(),
        every: Duration::ZERO,
        snapshots: None,
    };
    (folder, checkpoints)
}

#[test]
fn what_is_written_reads_back_to_the_last_bit() {
    let read = Checkpoint::from_bytes(&checkpoint(7).to_bytes().unwrap()).unwrap();
    assert_eq!(read, checkpoint(7));
    let zero = read.weights["conv1.weight"].values[1];
    assert!(zero == 0.0 && zero.is_sign_negative());
}

#[test]
fn a_file_cut_anywhere_or_with_any_bit_flipped_is_refused() {
    let bytes = checkpoint(7).to_bytes().unwrap();
    for end in 0..bytes.len() {
        assert!(
            Checkpoint::from_bytes(&bytes[..end]).is_err(),
            "cut to {end}"
        );
    }
    let mut refused = 0;
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        // Padding after the header may change without changing what the file says.
        match Checkpoint::from_bytes(&flipped) {
            Ok(read) => assert_eq!(read, checkpoint(7), "byte {place}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > bytes.len() - 8, "{refused} of {}", bytes.len());
}

#[test]
fn what_no_training_has_written_is_refused_though_its_digest_is_right() {
    let refusal = |checkpoint: Checkpoint| {
        let bytes = checkpoint.to_bytes().unwrap();
        Checkpoint::from_bytes(&bytes).unwrap_err().to_string()
    };
    let mut foreign = checkpoint(7);
    foreign
        .momentum_buffers
        .insert("bn1.running_var".to_owned(), values(&[1.0, 2.0]));
    let said = "momentum of bn1.running_var does not fit its weights";
    assert!(refusal(foreign).contains(said));
    let mut counted = checkpoint(7);
    counted.progress.window.images = u64::MAX;
    for altered in [checkpoint(u64::MAX), counted] {
        assert!(refusal(altered).contains("counts further than any training does"));
    }
}

#[test]
fn two_checkpoints_are_kept_and_the_newest_is_used() {
    let (_guard, checkpoints) = folder();
    let identity = checkpoint(0).identity;
    let mut silent = |note: String| panic!("{note}");
    assert_eq!(checkpoints.newest(&identity, &mut silent).unwrap(), None);
    assert_eq!(newest_iteration(&checkpoints.folder), None);
    for iteration in [90, 100, 1_000_000_000] {
        checkpoints.write(&checkpoint(iteration)).unwrap();
    }
    let iterations: Vec<u64> = list(&checkpoints.folder)
        .unwrap()
        .into_iter()
        .map(|(iteration, _)| iteration)
        .collect();
    assert_eq!(iterations, [1_000_000_000, 100]);
    assert_eq!(newest_iteration(&checkpoints.folder), Some(1_000_000_000));
    let newest = checkpoints.newest(&identity, &mut silent).unwrap().unwrap();
    assert_eq!(newest.progress.iteration, 1_000_000_000);
}

#[test]
fn the_remains_of_a_write_that_was_killed_are_overwritten() {
    let (_guard, checkpoints) = folder();
    let partial = checkpoints.folder.join(PARTIAL);
    fs::write(&partial, "torn").unwrap();
    assert_eq!(newest_iteration(&checkpoints.folder), None);
    checkpoints.write(&checkpoint(5)).unwrap();
    assert!(!partial.exists());

    fs::write(&partial, "torn").unwrap();
    fs::write(checkpoints.folder.join("notes.txt"), "mine").unwrap();
    clear(&checkpoints.folder).unwrap();
    let left = fs::read_dir(&checkpoints.folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["notes.txt"]);
}

#[test]
fn numbers_that_are_not_finite_are_not_written_and_what_was_there_stays() {
    let (_guard, checkpoints) = folder();
    checkpoints.write(&checkpoint(5)).unwrap();
    let mut broken = checkpoint(6);
    broken
        .momentum_buffers
        .get_mut("conv1.weight")
        .unwrap()
        .values[1] = f32::NAN;
    let error = checkpoints.write(&broken).unwrap_err();
    assert_eq!(
        error.to_string(),
        "momentum.conv1.weight is not finite after 6 iterations, the last with learning rate 0.1"
    );
    assert_eq!(newest_iteration(&checkpoints.folder), Some(5));
}

#[test]
fn another_layout_and_another_kind_of_file_are_refused_by_name() {
    let error = |bytes: &[u8]| format!("{:#}", Checkpoint::from_bytes(bytes).unwrap_err());
    let weights = weights::file(&checkpoint(1).weights, &BTreeMap::new()).unwrap();
    assert!(error(&weights).contains("no checkpoint of fig6"));
    let newer = BTreeMap::from([(FORMAT.to_owned(), "9".to_owned())]);
    let newer = weights::file(&checkpoint(1).weights, &newer).unwrap();
    assert!(error(&newer).contains("layout 9, expected 2"));
    assert!(error(b"PK\x03\x04").contains("not a safetensors file"));
}

#[test]
fn identities_are_compared_down_to_the_value_that_differs() {
    let there = json!({"recipe": {"batch_size": 64, "pad": 4}, "seed": 1});
    let said = |here| difference(&there, &here);
    assert_eq!(said(there.clone()), None);
    let here = json!({"recipe": {"batch_size": 128, "pad": 4}, "seed": 1});
    assert_eq!(
        said(here).unwrap(),
        "recipe.batch_size is 64 there and 128 here"
    );
    let here = json!({"recipe": {"batch_size": 64, "pad": 4}});
    assert_eq!(said(here).unwrap(), "seed is 1 there and null here");
}
