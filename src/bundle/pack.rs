//! Packs a report and what it rests on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use sha256::Hasher;
use tar::Header;

use super::contents::{Contents, FILE, GZIP, LeftOut, Packed, header, padding};
use crate::report::files;
use crate::report::provenance::{self, Digests, Statement, StepRecord};
use crate::report::{EVIDENCE, PIPELINE};
use store::key::Digest;
use store::{Manifest, Output, Store, is_there};

/// What was packed.
#[derive(Clone, Debug)]
pub struct Summary {
    pub contents: Contents,
    /// Size of the bundle.
    pub bytes: u64,
    /// SHA-256 of the bundle, in lower-case hexadecimal.
    pub sha256: String,
    /// Number of trainings of which there are snapshots in it, and bytes of those.
    pub snapshots: (usize, u64),
}

/// Where a file's bytes are.
enum Source {
    Memory(Vec<u8>),
    File(PathBuf),
}

/// Packs the report in this folder with the results that it rests on, as its provenance names them, into
/// an empty file, which is worth nothing after an error; with `snapshots`, also what the steps left as
/// evidence, as far as it is still there. Without, the bundle is the same whether there is any or not.
/// `stop` is looked at between pieces of at most 64 KiB.
///
/// # Errors
/// If there is no provenance or it does not fit the report's files or the store, something cannot be
/// read, the file cannot be written, or `stop` is set.
pub fn pack(
    report: &Path,
    store: &Store,
    snapshots: bool,
    output: &File,
    stop: &AtomicBool,
) -> Result<Summary> {
    let statement = Statement::read(report).map_err(|error| {
        let path = report.join(provenance::FILE);
        anyhow::anyhow!(
            "cannot bundle {}: {error}; write it with fig6 reproduce",
            path.display()
        )
    })?;
    let mut packing = Packing::default();
    packing.add_report(&statement, report)?;
    for step in &statement.internal().steps {
        let manifest = packing.add_step(step, store)?;
        if snapshots {
            packing.add_snapshots(&manifest, store)?;
        }
    }
    for basis in &statement.internal().bases {
        packing.add_listings(basis.code.values().chain(basis.crates.values()), store)?;
    }
    let packed = packing.files.values().map(|(file, _)| file.clone());
    let contents = Contents::new(statement.profile(), packed.collect(), packing.left_out);
    for file in &contents.files {
        file.expect_inside()?;
    }
    let (bytes, sha256) = fill(&contents, packing.files.into_values(), output, stop)?;
    Ok(Summary {
        contents,
        bytes,
        sha256,
        snapshots: packing.snapshots,
    })
}

#[derive(Default)]
struct Packing {
    /// By path, as in the contents.
    files: BTreeMap<String, (Packed, Source)>,
    left_out: Vec<LeftOut>,
    snapshots: (usize, u64),
}

impl Packing {
    fn add(&mut self, path: String, bytes: u64, blake3: Digest, source: Source) -> bool {
        let file = Packed {
            path: path.clone(),
            bytes,
            blake3,
        };
        self.files.insert(path, (file, source)).is_none()
    }

    fn add_small(&mut self, path: String, content: Vec<u8>) {
        let (bytes, digest) = (content.len() as u64, Digest::of(&content));
        self.add(path, bytes, digest, Source::Memory(content));
    }

    /// Adds the report's files, of which none may be another than its provenance says.
    fn add_report(&mut self, statement: &Statement, report: &Path) -> Result<()> {
        let profile = statement.profile();
        for subject in &statement.subject {
            let name = &subject.name;
            ensure!(
                subject.is_plain(),
                "{name:?} is no name of a file in a report; write the report anew with fig6 reproduce"
            );
            let path = report.join(name);
            let content = files::read(&path)?;
            ensure!(
                Digests::of(&content) == subject.digest,
                "{} is not what its provenance says; bring it back with fig6 reproduce",
                path.display()
            );
            if name == PIPELINE {
                self.add_small(PIPELINE.to_owned(), content.clone());
            }
            self.add_small(format!("reports/{profile}/{name}"), content);
        }
        for name in EVIDENCE.into_iter().filter(|&name| name != PIPELINE) {
            let content = files::read(&report.join(name))?;
            self.add_small(format!("reports/{profile}/{name}"), content);
        }
        Ok(())
    }

    /// Adds a step's manifest, log and outputs, but for images.
    fn add_step(&mut self, step: &StepRecord, store: &Store) -> Result<Manifest> {
        let (name, key) = (&step.step, &step.key);
        let manifest = store.expect_manifest(key).with_context(|| {
            format!("no result of {name} that the report rests on can be used; run fig6 reproduce")
        })?;
        let path = store.manifest_path(key);
        let content = files::read(&path)?;
        self.add_small(format!("artifacts/manifests/{key}.json"), content);
        for (output, made) in &manifest.outputs {
            let recorded = step.outputs.get(output);
            ensure!(
                recorded.is_some_and(|it| it.blake3 == made.digest && it.bytes == made.bytes),
                "{output} of {name} is not what the report rests on; run fig6 reproduce"
            );
            if is_image(&step.kind, output) {
                self.left_out.push(LeftOut {
                    step: name.clone(),
                    output: output.clone(),
                    bytes: made.bytes,
                    blake3: made.digest,
                });
                continue;
            }
            self.add_content(made, store.object_path(&made.digest));
        }
        let log = store.log_path(key);
        // A log may have been removed: no result depends on it.
        if let Some(made) = &manifest.run.log
            && is_there(&log, "--artifacts")?
        {
            let path = format!("artifacts/logs/{key}.log");
            self.add(path, made.bytes, made.digest, Source::File(log));
        }
        if let Some(carried_over) = &manifest.carried_over {
            let listings: Vec<_> = carried_over.original_inputs.basis.listings().collect();
            self.add_listings(&listings, store)?;
        }
        Ok(manifest)
    }

    /// Adds what shows how a result came about, as far as it is there.
    fn add_snapshots(&mut self, manifest: &Manifest, store: &Store) -> Result<()> {
        let mut some = false;
        for (name, evidence) in &manifest.evidence {
            let place = store.evidence_file(evidence);
            let place = place.with_context(|| format!("{name} of {}", manifest.step))?;
            if let Some(place) = place {
                some = true;
                if self.add_content(evidence, place) {
                    self.snapshots.1 += evidence.bytes;
                }
            }
        }
        self.snapshots.0 += usize::from(some);
        Ok(())
    }

    /// Adds a content; returns whether it was not there yet.
    fn add_content(&mut self, content: &Output, place: PathBuf) -> bool {
        let hex = content.digest.to_string();
        let path = format!("artifacts/objects/{}/{}", &hex[..2], &hex[2..]);
        self.add(path, content.bytes, content.digest, Source::File(place))
    }

    /// Adds what the digests of code and crates stand for, as far as it was kept.
    fn add_listings<'d>(
        &mut self,
        digests: impl IntoIterator<Item = &'d Digest>,
        store: &Store,
    ) -> Result<()> {
        for digest in digests {
            if store.listing(digest)?.is_some() {
                let content = files::read(&store.listing_path(digest))?;
                self.add_small(format!("artifacts/listings/{digest}"), content);
            }
        }
        Ok(())
    }
}

/// Whether an output holds the images, which have terms of their own and lie elsewhere.
pub fn is_image(kind: &str, output: &str) -> bool {
    kind == "download" || (kind == "preprocess" && output.ends_with(".bin"))
}

/// Writes all files, and returns size and SHA-256 of the bundle.
fn fill(
    contents: &Contents,
    files: impl Iterator<Item = (Packed, Source)>,
    file: &File,
    stop: &AtomicBool,
) -> Result<(u64, String)> {
    let file = Counted {
        inner: BufWriter::with_capacity(1 << 20, file),
        bytes: 0,
        sha256: Hasher::default(),
    };
    let mut archive = GzBuilder::new()
        .operating_system(GZIP[9])
        .write(file, Compression::new(6));
    let text = contents.text()?;
    let mut add = |path: &str, bytes: u64, read_only: bool, content: &mut dyn Read| {
        let header = header(path, bytes, read_only)?;
        add(&mut archive, &header, bytes, content, stop)
            .with_context(|| format!("cannot pack {path}"))
    };
    add(FILE, text.len() as u64, false, &mut text.as_bytes())?;
    for (file, source) in files {
        let (path, bytes, read_only) = (&file.path, file.bytes, file.is_read_only());
        let digest = match source {
            Source::Memory(content) => add(path, bytes, read_only, &mut content.as_slice())?,
            Source::File(place) => {
                let cannot = || format!("cannot read {}", place.display());
                let mut opened = File::open(&place).with_context(cannot)?;
                add(path, bytes, read_only, &mut opened)?
            }
        };
        ensure!(
            digest == file.blake3,
            "{path} was altered; run fig6 fsck, and then fig6 reproduce to rebuild it"
        );
    }
    archive.write_all(&[0; 1024])?;
    let mut file = archive.finish()?;
    file.flush()?;
    Ok((file.bytes, file.sha256.finish()))
}

/// Bytes that are compressed at once.
const PIECE: usize = 1 << 16;

/// Adds a file of exactly this size, and returns its digest.
fn add(
    archive: &mut GzEncoder<impl Write>,
    header: &Header,
    bytes: u64,
    content: &mut dyn Read,
    stop: &AtomicBool,
) -> Result<Digest> {
    archive.write_all(header.as_bytes())?;
    let mut hasher = blake3::Hasher::new();
    let mut left = bytes;
    loop {
        ensure!(!stop.load(Ordering::Relaxed), "stopped");
        // Always whole pieces, however the file is read: what deflate makes of them depends on their sizes.
        let mut piece = Vec::with_capacity(PIECE);
        (&mut *content).take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            break;
        }
        ensure!(piece.len() as u64 <= left, "it has more than {bytes} bytes");
        left -= piece.len() as u64;
        hasher.update(&piece);
        archive.write_all(&piece)?;
    }
    ensure!(left == 0, "it has less than {bytes} bytes");
    archive.write_all(&[0; 512][..padding(bytes)])?;
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}

/// Counts and digests what goes through.
struct Counted<W> {
    inner: W,
    bytes: u64,
    sha256: Hasher,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        self.sha256.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
