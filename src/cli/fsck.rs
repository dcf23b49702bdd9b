//! `fig6 fsck`: reads all artifacts and says what is damaged.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use bytesize::ByteSize;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::out::Out;
use super::terminal::{Paint, paint};
use super::view::shortened_list;
use nn::checkpoint::{self, Checkpoint};
use store::{Checkup, Finding, Harm, Mended, Store};

/// Steps that are named with a finding; more are only counted.
const STEPS_SHOWN: usize = 4;

#[derive(Args, Debug)]
pub struct Arguments {
    /// The folder of artifacts.
    #[arg(long, value_name = "DIR", default_value = "artifacts")]
    artifacts: PathBuf,
    /// Say what is damaged, and leave it where it is.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<ExitCode> {
    let store = Store::at(&arguments.artifacts, true);
    let bar = bar(out.is_quiet() || arguments.json);
    let watch = |done: u64, total: u64| {
        bar.set_length(total);
        // Threads overtake each other.
        bar.set_position(done.max(bar.position()));
    };
    let checkup = store.fsck(!arguments.dry_run, &damaged_checkpoints, &watch);
    bar.finish_and_clear();
    let checkup = checkup?;
    if arguments.json {
        out.json_line(&record(&checkup));
    } else {
        show(&checkup, out);
    }
    Ok(match checkup.damage().next() {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}

/// A live line where there is a terminal.
fn bar(hidden: bool) -> ProgressBar {
    let bar = ProgressBar::no_length();
    if hidden {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let template = "checking [{bar:30}] {decimal_bytes} of {decimal_total_bytes}, \
                    {decimal_bytes_per_sec}, {eta} left";
    let appearance = ProgressStyle::with_template(template)
        .expect("the template is fixed and right")
        .progress_chars("=> ");
    bar.with_style(appearance)
}

/// The checkpoints in a working folder that cannot be used, and why.
fn damaged_checkpoints(scratch: &Path) -> Vec<(PathBuf, String)> {
    let checkpoints = checkpoint::list(scratch).unwrap_or_default().into_iter();
    let damaged = checkpoints.filter_map(|(_, path)| {
        let error = Checkpoint::read(&path).err()?;
        Some((path, format!("{error:#}")))
    });
    damaged.collect()
}

fn show(checkup: &Checkup, out: &mut Out) {
    for finding in &checkup.findings {
        let line = in_words(finding);
        match finding.harm {
            Harm::Damage => out.line(format!("{} {line}", paint(Paint::Red, "damaged:"))),
            Harm::Note => out.remark(&format!("{} {line}", paint(Paint::Dim, "note:"))),
        }
    }
    let speed = checkup.bytes as f64 / 1e6 / checkup.seconds.max(1e-6);
    out.remark(&format!(
        "checked {} manifests and {} objects: {} in {:.1} s, {speed:.0} MB/s",
        checkup.manifests,
        checkup.objects,
        ByteSize::b(checkup.bytes).display().si(),
        checkup.seconds,
    ));
    out.remark(&format!(
        "and {} listings, {} logs, {} lists of runs, {} folders of links, {} files of interrupted steps",
        checkup.listings, checkup.logs, checkup.runs, checkup.views, checkup.left
    ));
    let (count, bytes) = checkup.set_aside;
    if count > 0 {
        let size = ByteSize::b(bytes).display().si();
        out.remark(&format!(
            "{count} files ({size}) were set aside before; `fig6 gc --set-aside` removes them"
        ));
    }
    let damage = checkup.damage().count();
    if damage == 0 {
        return out.line("nothing is damaged");
    }
    out.line(format!("{damage} damaged:"));
    let advice: BTreeSet<&str> = checkup.damage().map(|finding| finding.advice).collect();
    for advice in advice {
        out.line(format!("  {advice}"));
    }
}

/// A finding in one line.
fn in_words(finding: &Finding) -> String {
    let mut line = format!("{} {}", finding.path.display(), finding.what);
    if !finding.steps.is_empty() {
        line += &format!(" (of {})", shortened_list(&finding.steps, STEPS_SHOWN));
    }
    match &finding.mended {
        Mended::Nothing if finding.harm == Harm::Note => line += &format!("; {}", finding.advice),
        Mended::Nothing => {}
        Mended::SetAside => line += "; set aside",
        Mended::Removed => line += "; removed",
        Mended::Linked => line += "; linked again",
        Mended::Changed => line += "; replaced meanwhile",
        Mended::Failed(why) => line += &format!("; {why}"),
    }
    line
}

/// Everything for programs.
fn record(checkup: &Checkup) -> Value {
    let mut record = json!(checkup);
    record["damaged"] = json!(checkup.damage().count());
    record["megabytes_per_second"] = json!(checkup.bytes as f64 / 1e6 / checkup.seconds.max(1e-6));
    record
}
