//! What the kinds of steps reach in this project's own source.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use crate::fingerprint::{Fingerprint, KindParts, Listing};
use crate::package::names;
use crate::project::{self, Disk};

static OURS: LazyLock<Fingerprint> = LazyLock::new(|| {
    let disk = Disk::new(Path::new(env!("CARGO_MANIFEST_DIR")).to_owned());
    let variable = |name: &str| Some(format!("value of {name}"));
    project::fingerprint(&disk, &BTreeSet::new(), &variable).unwrap()
});

fn kinds() -> impl Iterator<Item = (&'static str, &'static KindParts)> {
    OURS.kinds
        .iter()
        .map(|(kind, parts)| (kind.as_str(), parts))
}

/// Packages in a listing, without their versions.
fn packages(listing: &Listing) -> BTreeSet<String> {
    let package = |name: String| name.split(' ').next().unwrap().to_owned();
    names(listing).into_iter().map(package).collect()
}

#[test]
fn no_step_reaches_what_plans_runs_and_keeps_steps() {
    let outside = [
        "bundle",
        "cli",
        "error",
        "fingerprint",
        "key",
        "pipeline",
        "plan",
        "report",
        "run",
        "steps::params",
        "store",
    ];
    for (kind, parts) in kinds() {
        for (module, listing) in &parts.code {
            let within =
                |other: &&str| module == other || module.starts_with(&format!("{other}::"));
            assert!(
                !outside.iter().any(within),
                "{kind} reaches {module}: {:?}",
                names(listing)
            );
        }
    }
}

#[test]
fn training_and_evaluation_reach_the_networks_and_no_other_step_does() {
    for (kind, parts) in kinds() {
        let numeric = ["train", "evaluate"].contains(&kind);
        assert_eq!(
            parts.code.contains_key("nn::resnet"),
            numeric,
            "{kind} and nn::resnet"
        );
        for kernels in ["fig6_kernels", "fig6_kernels::tile"] {
            assert_eq!(
                parts.code.contains_key(kernels),
                numeric,
                "{kind} and {kernels}"
            );
        }
        assert_eq!(
            parts.crates.contains_key("pulp"),
            numeric,
            "{kind} and pulp"
        );
        assert_eq!(
            parts.crates.contains_key("burn-core"),
            numeric,
            "{kind} and burn"
        );
    }
}

#[test]
fn only_training_reaches_the_training_loop_and_the_variation_of_images() {
    for (kind, parts) in kinds() {
        let trains = kind == "train";
        assert_eq!(
            parts.code.contains_key("nn::fit"),
            trains,
            "{kind} and nn::fit"
        );
        let augment = parts.code.get("nn::augment").map(names).unwrap_or_default();
        let varies = augment.iter().any(|name| name == "struct Augmentation");
        assert_eq!(varies, trains, "{kind} and struct Augmentation");
    }
}

#[test]
fn only_the_plot_reaches_plotters_and_only_the_download_reaches_the_network() {
    for (kind, parts) in kinds() {
        assert_eq!(
            parts.crates.contains_key("plotters"),
            kind == "plot",
            "{kind} and plotters"
        );
        assert_eq!(
            parts.crates.contains_key("ureq"),
            kind == "download",
            "{kind} and ureq"
        );
    }
}

#[test]
fn each_step_reaches_its_own_work_and_no_other_steps() {
    for (kind, parts) in kinds() {
        let own = names(&parts.code[&format!("steps::{kind}")]);
        for name in ["fn run", "const OUTPUTS"] {
            assert!(
                own.iter().any(|own| own == name),
                "{kind} lacks {name}: {own:?}"
            );
        }
        for (other, _) in kinds().filter(|(other, _)| *other != kind) {
            let work = parts
                .code
                .get(&format!("steps::{other}"))
                .map(names)
                .unwrap_or_default();
            assert!(
                !work.iter().any(|name| name == "fn run"),
                "{kind} reaches {other}: {work:?}"
            );
        }
    }
}

#[test]
fn a_backend_has_its_own_crates_and_none_of_another() {
    for (backend, with, without) in [
        ("burn-flex", "burn-flex", ["cubecl", "wgpu", "burn-tch"]),
        ("burn-tch", "tch", ["cubecl", "wgpu", "burn-flex"]),
        (
            "burn-cuda",
            "cubecl-cuda",
            ["burn-flex", "wgpu", "burn-tch"],
        ),
        (
            "burn-wgpu",
            "wgpu",
            ["burn-flex", "cubecl-cuda", "burn-tch"],
        ),
    ] {
        let packages = packages(&OURS.backends[backend]);
        assert!(packages.contains(with), "{backend} lacks {with}");
        for other in without {
            assert!(!packages.contains(other), "{backend} has {other}");
        }
    }
}

#[test]
fn no_backends_crates_are_among_those_of_burn() {
    let packages = packages(&OURS.kinds["train"].crates["burn-core"]);
    assert!(packages.contains("burn-autodiff"), "{packages:?}");
    for backend in [
        "burn-cuda",
        "burn-flex",
        "burn-tch",
        "burn-wgpu",
        "cubecl",
        "tch",
        "torch-sys",
        "wgpu",
    ] {
        assert!(!packages.contains(backend), "{backend}");
    }
}
