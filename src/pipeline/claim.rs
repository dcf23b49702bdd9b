//! Published statements that results must bear out: the rows of `published` and the list of
//! `claims`, checked, each with its source.
//!
//! Unaware of results and of how a verdict comes about.

use std::collections::BTreeSet;

use super::check::{Checked, check_name, check_names, out_of_range, wrong};
use super::file::{self, File};
use super::locate::{Segment, place};
use super::tolerance::Tolerance;
use super::{Citation, Experiment, Mean, Statement};
use crate::pipeline::{Metric, Quantity};

/// Level of significance where the file names none.
pub(super) const SIGNIFICANCE: f64 = 0.05;

/// A statement, where it was made, and whether it is about this profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub statement: Statement,
    /// The source's name in the file.
    pub source: String,
    pub citation: Citation,
    /// Where in the source.
    pub at: Option<String>,
    /// By how many percentage points means may differ; present where the statement needs it.
    pub margin: Option<f64>,
    /// Why the statement is wrong, where results are expected to refute it.
    pub disputed: Option<String>,
    pub applies: Applies,
}

/// Whether the results of a profile can bear a claim out.
#[derive(Clone, Debug, PartialEq)]
pub enum Applies {
    Yes,
    /// It is about full-length training on the published data, and this profile differs in that.
    No(Vec<String>),
}

impl Claim {
    /// The statement and its source: `test_error(resnet56) = 6.97 [he]`, unique in a profile.
    pub fn name(&self) -> String {
        format!("{} [{}]", self.statement, self.source)
    }

    /// The source for people: `He et al. 2015, Table 6`.
    pub fn cited(&self) -> String {
        match &self.at {
            Some(at) => format!("{}, {at}", self.citation.cite),
            None => self.citation.cite.clone(),
        }
    }
}

/// The claims of the file, sorted by whether a profile is meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// About this profile's models.
    pub here: Vec<Claim>,
    /// Number of those about models that it does not train, or about other profiles.
    pub elsewhere: usize,
}

/// The claims about a profile.
pub(super) fn about(all: &[Written], experiment: &Experiment) -> Claims {
    let mut claims = Claims::default();
    let models = experiment.models.iter().map(|model| model.name.as_str());
    let models: BTreeSet<&str> = models.collect();
    for written in all {
        let mut quantities = written.claim.statement.quantities().into_iter();
        let trained = quantities.all(|quantity| models.contains(quantity.model.as_str()));
        let profiles = written.profiles.as_ref();
        let meant = profiles.is_none_or(|profiles| profiles.contains(&experiment.profile));
        if !trained || !meant {
            claims.elsewhere += 1;
            continue;
        }
        let mut claim = written.claim.clone();
        // A count does not depend on how long and on what was trained, and some claims are about
        // this very profile.
        let always = matches!(claim.statement, Statement::Exact { .. });
        if !always && profiles.is_none() && !experiment.caveats.is_empty() {
            claim.applies = Applies::No(experiment.caveats.clone());
        }
        claims.here.push(claim);
    }
    claims
}

/// All claims of the file, whatever profile they are about, if each makes sense.
pub(super) fn check(file: &File) -> Checked<Vec<Written>> {
    for (name, source) in &file.sources {
        let at = |field: &str| place!["sources", name.as_str(), field].to_vec();
        for (field, text) in [("cite", &source.cite), ("url", &source.url)] {
            super::text::check("a text", text, &at(field))?;
        }
    }
    if let Some(level) = file.significance
        && !(level > 0.0 && level < 0.5)
    {
        let expected = "expected a probability between 0 and 0.5";
        return out_of_range(&place!["significance"], expected, level);
    }
    let mut seen = BTreeSet::new();
    let claims = all(file)?;
    for written in &claims {
        let claim = &written.claim;
        if !seen.insert((claim.name(), written.profiles.clone())) {
            return wrong(&written.place, format!("{} is claimed twice", claim.name()));
        }
        if let Some(profiles) = &written.profiles {
            let place = [&written.place[..], &place!["profiles"]].concat();
            check_names("profile", profiles, &place, file.profiles.keys())?;
            if profiles.is_empty() {
                return wrong(&place, "expected at least one profile, found none");
            }
        }
        for quantity in claim.statement.quantities() {
            check_name("model", &quantity.model, &written.place, file.models.keys())?;
        }
        for profile in written.profiles.iter().flatten() {
            let trained = &file.profiles[profile].models;
            let mut quantities = claim.statement.quantities().into_iter();
            if let Some(other) = quantities.find(|quantity| !trained.contains(&quantity.model)) {
                let message = format!("profile {profile:?} does not train {}", other.model);
                return wrong(&[&written.place[..], &place!["profiles"]].concat(), message);
            }
        }
    }
    Ok(claims)
}

/// A claim of the file and where it stands.
#[derive(Debug)]
pub(super) struct Written {
    claim: Claim,
    profiles: Option<Vec<String>>,
    place: Vec<Segment>,
}

/// All claims of the file: the rows of `published`, in the order of their models' names, then the
/// list.
fn all(file: &File) -> Checked<Vec<Written>> {
    let mut claims = Vec::new();
    for (model, row) in &file.published.results {
        let place = place!["published", "results", model.as_str()];
        for (source, error) in [("he", &row.he), ("s", &row.s)] {
            if let Some(error) = error {
                let place = [&place[..], &place![source]].concat();
                claims.push(of_row(file, model, source, error, place)?);
            }
        }
    }
    for (index, claim) in file.claims.iter().enumerate() {
        claims.push(of_list(file, claim, place!["claims", index].to_vec())?);
    }
    Ok(claims)
}

/// The claim that a row of the published results makes.
fn of_row(
    file: &File,
    model: &str,
    source: &str,
    error: &file::PublishedError,
    place: Vec<Segment>,
) -> Checked<Written> {
    let model = error.with.as_deref().unwrap_or(model);
    let mean = Mean::new(error.mean, error.std, error.runs);
    let mut mean = mean.or_else(|message| wrong(&place, message))?;
    mean.reading_error = error
        .read_off
        .map_or(0.0, |error_of| error_of.points(error.mean));
    let of = Quantity {
        metric: Metric::TestError,
        model: model.to_owned(),
    };
    let claim = file::Claim {
        says: String::new(),
        source: source.to_owned(),
        at: error.at.clone().or_else(|| error.note.clone()),
        within: error.within,
        disputed: None,
        profiles: None,
    };
    let statement = Statement::Mean {
        of,
        published: mean,
    };
    written(file, &claim, statement, place)
}

/// A claim of the list.
fn of_list(file: &File, claim: &file::Claim, place: Vec<Segment>) -> Checked<Written> {
    let statement: Result<Statement, String> = claim.says.parse();
    let statement =
        statement.or_else(|message| wrong(&[&place[..], &place!["says"]].concat(), message))?;
    written(file, claim, statement, place)
}

fn written(
    file: &File,
    claim: &file::Claim,
    statement: Statement,
    place: Vec<Segment>,
) -> Checked<Written> {
    let at = |field: &str| [&place[..], &place![field]].concat();
    check_name("source", &claim.source, &at("source"), file.sources.keys())?;
    let citation = file.sources[&claim.source].clone();
    let margin = match (&statement, claim.within, citation.within) {
        (Statement::Mean { published, .. }, Some(within), _)
        | (Statement::Mean { published, .. }, None, Some(within)) => {
            Some(within.points(published.mean))
        }
        (Statement::Trend { .. }, Some(Tolerance::Points(points)), _) => Some(points),
        (Statement::Trend { .. }, ..) => {
            return wrong(
                &place,
                "a trend needs `within`, by how many \"points\" a mean may rise and still count as level",
            );
        }
        (Statement::Mean { .. }, None, None) => {
            return wrong(
                &place,
                format!(
                    "expected `within` here or in source {:?}: by how much means may differ and still be the same",
                    claim.source
                ),
            );
        }
        (_, Some(_), _) => {
            return wrong(
                &at("within"),
                "an order, a bound and an exact number have no tolerance",
            );
        }
        _ => None,
    };
    for (field, what, text) in [
        ("at", "a text", &claim.at),
        ("disputed", "why it is wrong", &claim.disputed),
    ] {
        if let Some(text) = text {
            super::text::check(what, text, &at(field))?;
        }
    }
    Ok(Written {
        claim: Claim {
            statement,
            source: claim.source.clone(),
            citation,
            at: claim.at.clone(),
            margin,
            disputed: claim.disputed.clone(),
            applies: Applies::Yes,
        },
        profiles: claim.profiles.clone(),
        place,
    })
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
