use super::*;
use serde_json::json;

fn parameters(value: serde_json::Value) -> Parameters {
    Parameters::from(value.to_string())
}

fn example() -> KeyInputs {
    KeyInputs {
        basis: Arc::new(Basis {
            schema: SCHEMA,
            kind: "train".into(),
            code: BTreeMap::from([("nn".into(), Digest::of(b"code"))]),
            crates: BTreeMap::new(),
            numeric: None,
        }),
        parameters: parameters(json!({ "seed": 0, "recipe": { "rate": 0.1, "at": [32, 48] } })),
        inputs: BTreeMap::from([("train.bin".into(), Digest::of(b"images"))]),
    }
}

#[test]
fn equal_inputs_have_equal_keys_and_survive_the_way_through_json() {
    let text = serde_json::to_string(&example()).unwrap();
    let read: KeyInputs = serde_json::from_str(&text).unwrap();
    assert_eq!(read, example());
    assert_eq!(read.key(), example().key());
    assert_eq!(read.changes(&example()), []);
}

#[test]
fn every_part_of_the_inputs_changes_the_key_and_is_named() {
    let numeric = Numeric {
        backend: "flex".into(),
        version: "0.22.1".into(),
        float: "f32".into(),
        architecture: "x86_64".into(),
        compiler: "rustc 1.95.0".into(),
    };
    type Edit = Box<dyn Fn(&mut KeyInputs)>;
    fn basis(edit: impl Fn(&mut Basis) + 'static) -> Edit {
        Box::new(move |inputs| edit(Arc::make_mut(&mut inputs.basis)))
    }
    let edits: Vec<(&str, Edit)> = vec![
        ("schema: 3 → 4", basis(|basis| basis.schema = 4)),
        (
            "kind: train → plot",
            basis(|basis| basis.kind = "plot".into()),
        ),
        (
            "recipe.at[1]: 48 → 49",
            Box::new(|inputs| {
                let edited = json!({ "seed": 0, "recipe": { "rate": 0.1, "at": [32, 49] } });
                inputs.parameters = parameters(edited);
            }),
        ),
        (
            "recipe.rate: 0.1 → none",
            Box::new(|inputs| {
                inputs.parameters = parameters(json!({ "seed": 0, "recipe": { "at": [32, 48] } }));
            }),
        ),
        (
            "code nn: ",
            basis(|basis| *basis.code.get_mut("nn").unwrap() = Digest::of(b"other code")),
        ),
        (
            "dependencies: none → ",
            basis(|basis| {
                let _ = basis
                    .crates
                    .insert("dependencies".into(), Digest::of(b"plotters 0.3.7"));
            }),
        ),
        (
            "architecture: none → x86_64",
            basis(move |basis| basis.numeric = Some(numeric.clone())),
        ),
        (
            "input train.bin: ",
            Box::new(|inputs| {
                *inputs.inputs.get_mut("train.bin").unwrap() = Digest::of(b"other images")
            }),
        ),
    ];
    for (said, edit) in edits {
        let mut edited = example();
        edit(&mut edited);
        assert_ne!(edited.key(), example().key(), "{said}");
        let changes = example().changes(&edited);
        assert!(
            changes
                .iter()
                .any(|change| change.to_string().starts_with(said)),
            "{changes:?}"
        );
    }
}

#[test]
fn a_name_that_moves_between_parameters_and_inputs_changes_the_key() {
    let mut inputs = example();
    inputs.parameters = parameters(json!({}));
    let digest = inputs.inputs.remove("train.bin").unwrap();
    let empty = inputs.key();
    inputs.parameters = parameters(json!({ "train.bin": digest }));
    let as_parameter = inputs.key();
    inputs.parameters = parameters(json!({}));
    inputs.inputs.insert("train.bin".into(), digest);
    assert!(empty != as_parameter && as_parameter != inputs.key());
}

#[test]
fn two_listings_differ_by_entry_and_a_crate_by_its_version() {
    let changes = |old: &str, new: &str| -> Vec<String> {
        let listing = |text: &str| Listing::parse(text).unwrap();
        let side = |value: Option<String>| value.unwrap_or_else(|| "none".into());
        listing(old)
            .changes(&listing(new))
            .into_iter()
            .map(|detail| {
                format!(
                    "{}: {} → {}",
                    detail.name,
                    side(detail.old),
                    side(detail.new)
                )
            })
            .collect()
    };
    assert_eq!(changes("fn a\t1\nfn b\t2\n", "fn a\t1\nfn b\t2\n"), [""; 0]);
    assert_eq!(
        changes("fn a\t1\nfn b\t2\n", "fn b\t3\nfn c\t4\n"),
        ["fn a: 1 → none", "fn b: 2 → 3", "fn c: none → 4"]
    );
    assert_eq!(
        changes(
            "svg 0.3.6\tx\nzip 1.0.0\tz\n",
            "svg 0.3.7\ty\nzip 1.0.0\tzz\n"
        ),
        ["svg: 0.3.6 → 0.3.7", "zip 1.0.0: z → zz"]
    );
    assert_eq!(
        changes("svg 0.3.6\tx\nfeatures of svg\ta\n", "features of svg\tb\n"),
        ["features of svg: a → b", "svg: 0.3.6 → none"]
    );
    assert_eq!(Listing::parse("no tab"), None);
}
