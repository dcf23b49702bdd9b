//! The step that puts the images' archive at hand: fetched from the first place that has it, or,
//! for the smoke profile, generated. An archive is known by its size and digest alone, so where
//! it comes from can change without anything after it becoming invalid.
//!
//! Servers are reached as curl reaches them: through the proxies that `http_proxy`, `https_proxy`,
//! `all_proxy` and `no_proxy` name, trusting the system's certificates or those of `SSL_CERT_FILE`
//! and `SSL_CERT_DIR` ([`proxy`], [`client`]). What arrives is a partial file in the scratch folder
//! until its digest is right; only then does it get its name.
//!
//! Unaware of what is inside an archive that it fetches.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use step::grouped;
use step::{Context, Progress};

pub mod client;
pub mod failure;
pub mod fetch;
pub mod generate;
pub mod http;
pub mod limits;
pub mod partial_file;
pub mod place;
pub mod proxy;
pub mod scenes;
pub mod source;
pub mod url;

pub use generate::Generated;
pub use source::{ArchiveId, Source};

/// The files that this step writes.
pub const OUTPUTS: &[&str] = &["archive"];

/// What decides which bytes the archive has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Params {
    /// Any one of these archives, wherever they are found.
    Archives(Vec<ArchiveId>),
    /// An archive made up on the spot.
    Generated(Generated),
}

/// Writes `archive`; returns what it is in a sentence. The archives are looked for in `mirrors` (folders,
/// URLs or archives) before `sources`; neither can change what is found. Where it came from goes out as a
/// [`Progress::Note`]: it differs from run to run, and the sentence must not.
///
/// # Errors
/// If no place yields one of the archives (each place and its failure is listed), or the file
/// cannot be written.
pub fn run(
    params: &Params,
    mirrors: &[PathBuf],
    sources: &[Source],
    context: &mut Context,
) -> Result<String> {
    match params {
        Params::Archives(wanted) => {
            let sources: Vec<Source> = sources
                .iter()
                .filter(|source| wanted.contains(&source.id()))
                .cloned()
                .collect();
            ensure!(
                !sources.is_empty(),
                "none of the data sources holds an archive that this step is to fetch; name one under the data of the pipeline file"
            );
            let job = fetch::Job {
                places: place::places(&sources, mirrors),
                scratch: &context.scratch,
                target: &context.output.join(OUTPUTS[0]),
                client: client::Client {
                    limits: limits::DownloadLimits::default(),
                    proxies: proxy::Proxies::from_environment(),
                },
            };
            let found = fetch::fetch(&job, context.progress)?;
            let id = &found.id;
            Ok(format!(
                "{:.1} MB, sha256 {}…",
                id.bytes as f64 / 1e6,
                id.sha256.get(..8).unwrap_or(&id.sha256)
            ))
        }
        Params::Generated(generated) => {
            let path = context.output.join(OUTPUTS[0]);
            let file = fs::File::create(&path)
                .with_context(|| format!("cannot write {}", path.display()))?;
            let progress = &mut *context.progress;
            generate::write(generated, file, &mut |done, total| {
                progress(Progress::Items {
                    what: "images".to_owned(),
                    done,
                    total,
                });
            })
            .with_context(|| format!("while generating {}", path.display()))?;
            Ok(format!(
                "{} training and {} test images, generated from seed {}",
                grouped(generated.train.into()),
                grouped(generated.test.into()),
                generated.seed
            ))
        }
    }
}

#[cfg(test)]
mod tests;
