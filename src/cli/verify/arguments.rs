//! What `fig6 verify` can be asked, and which levels are meant by it.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args};

use crate::cli::Where;
use crate::error::Invalid;
use crate::verify::Level;

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("drawn").args(["sample", "segments"]).multiple(true)))]
pub struct Arguments {
    /// Verify this bundle (see `fig6 bundle`) instead of a report and the artifacts of this folder.
    #[arg(value_name = "BUNDLE", conflicts_with_all = ["profile", "pipeline", "reports"])]
    pub bundle: Option<PathBuf>,
    #[command(flatten)]
    pub place: Where,
    /// How deep to look; each level includes those before it [default: claims, or only documents where
    /// --docs is given].
    #[arg(long, value_name = "LEVEL", value_parser = level())]
    level: Option<Level>,
    /// Run this step again in a fresh store and compare (may be repeated; the first parts of a name
    /// mean all such steps).
    #[arg(long, value_name = "STEP")]
    pub rebuild: Vec<String>,
    /// Run so many steps again, drawn at random.
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub sample: Option<usize>,
    /// Also compute so many whole stretches of each training again, from one snapshot to the next, drawn at
    /// random; all of them are the whole training. Needs --level replay or execute.
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub segments: Option<NonZeroUsize>,
    /// Draw the sample, and the stretches, with this seed, to repeat them [default: a new one each time].
    #[arg(
        long,
        value_name = "N",
        requires = "drawn",
        allow_negative_numbers = true
    )]
    pub sample_seed: Option<u64>,
    /// Percentage points by which a test error may differ where bytes cannot be the same: on another
    /// backend or processor, or one that is not deterministic [default: 0.1 for evaluations, 1 for
    /// trainings].
    #[arg(long, value_name = "POINTS", value_parser = points, allow_negative_numbers = true)]
    pub within: Option<f64>,
    /// Hold the numbers that are bound in this document against the results (may be repeated).
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub docs: Vec<PathBuf>,
    /// Bring the numbers in the documents up to date.
    #[arg(long, requires = "docs")]
    pub write: bool,
    /// Look here first for archives: a folder, a URL, or the archive itself (may be repeated; also FIG6_MIRROR).
    #[arg(long, value_name = "DIR|URL")]
    pub mirror: Vec<PathBuf>,
    /// The folder of reports.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub reports: PathBuf,
    /// Also write the checks as JUnit XML, - for standard output.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Replace the file of --junit also if it is no such report.
    #[arg(long, requires = "junit")]
    pub force: bool,
    /// Also append a summary in Markdown (for GitHub: "$GITHUB_STEP_SUMMARY"), - for standard output.
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
    /// Also print annotations as GitHub's runners read them.
    #[arg(long, conflicts_with = "json")]
    pub github: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Name also what passed.
    #[arg(long, short)]
    pub verbose: bool,
}

/// Reads the name of a level.
fn level() -> impl TypedValueParser<Value = Level> {
    let names = Level::RISING.iter().map(|level| level.name());
    PossibleValuesParser::new(names).map(|name| {
        let mut levels = Level::RISING.iter();
        let level = levels.find(|level| level.name() == name);
        *level.expect("only the names of levels are possible")
    })
}

/// Percentage points in an option.
fn points(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(points) if (0.0..=100.0).contains(&points) => Ok(points),
        _ => Err("expected percentage points, from 0 to 100".to_owned()),
    }
}

impl Arguments {
    /// Refuses what does not go together.
    ///
    /// # Errors
    /// If stretches of trainings are asked for, and no level that looks at trainings.
    pub fn check(&self) -> Result<(), Invalid> {
        match self.segments {
            Some(_) if !self.levels().contains(&Level::Replay) => {
                Err(Invalid::new("--segments needs --level replay or execute"))
            }
            _ => Ok(()),
        }
    }

    /// The levels that were asked for.
    pub fn levels(&self) -> BTreeSet<Level> {
        let again = !self.rebuild.is_empty() || self.sample.is_some();
        let deepest = match self.level {
            None if again || self.docs.is_empty() => Some(Level::Claims),
            level => level,
        };
        let levels = Level::RISING.iter().copied();
        // Steps that are named are run again, however deep the rest goes.
        let wanted = |level: &Level| Some(*level) <= deepest || (again && *level == Level::Execute);
        levels.filter(wanted).collect()
    }
}
