//! `preprocess` on all 60,000 images of CIFAR-10 as JPEG files: `cargo bench --bench preprocess`.
//! Expected: at most 15 s on two cores.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use preprocess::{self, Params};
use step::Context;

fn main() {
    divan::main();
}

/// The archive, where this machine has it.
fn archive() -> Option<PathBuf> {
    let shared = env::var_os("FIG6_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    Some(shared.join("data/cifar10-jpeg.tar.gz")).filter(|path| path.is_file())
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn sixty_thousand_jpeg_files(bencher: divan::Bencher) {
    let Some(archive) = archive() else {
        println!("skipped: no data/cifar10-jpeg.tar.gz under FIG6_SHARED or ../shared");
        return;
    };
    bencher
        .with_inputs(|| tempfile::tempdir().expect("a temporary folder can be made"))
        .bench_local_refs(|folder| {
            let params = Params {
                validation: 5000,
                split_seed: 0,
            };
            preprocess::run(
                &params,
                &mut Context {
                    inputs: BTreeMap::from([("archive".to_owned(), archive.clone())]),
                    output: folder.path().to_owned(),
                    evidence: folder.path().to_owned(),
                    scratch: folder.path().to_owned(),
                    stop: &std::sync::atomic::AtomicBool::new(false),
                    progress: &mut |_| {},
                },
            )
            .expect("the archive is sound")
        });
}
