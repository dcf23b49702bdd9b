//! From the evidence of all claims that are judged together to a verdict on each.

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was shown to hold, within its margin.
    Confirmed,
    /// Neither was shown. Never as good as confirmed.
    Undecided,
    /// It was shown not to hold exactly, and could not be shown to hold within its margin.
    Refuted,
}

/// The verdicts on claims that are judged together, in their order.
///
/// A claim is confirmed if the hypothesis that it is false is rejected at `level` (such as 0.05), also
/// where the difference is significant but smaller than the margin. Otherwise it is refuted if the
/// hypothesis that it holds exactly is rejected at `level` after [`holm`]'s correction over all the
/// claims. Otherwise it is undecided. This is the reading of an equivalence test beside a test of
/// difference in D. Lakens, A. M. Scheel and P. M. Isager, "Equivalence Testing for Psychological
/// Research: A Tutorial" (Advances in Methods and Practices in Psychological Science 1, 2018).
///
/// Why only refutations are corrected: the two errors that matter are those of the whole.
/// - *All confirmed* (exit code 0) while a claim is false. All is an intersection: it takes each single
///   confirmation, also the wrong one, whose probability is at most `level`. So testing each claim at
///   `level` is enough, however many there are (the intersection–union principle: R. L. Berger,
///   "Multiparameter Hypothesis Testing and Acceptance Sampling", Technometrics 24, 1982).
/// - *Something refuted* (exit code 1) while all claims hold. Something is a union: each claim adds its
///   own chance of being wrong. Corrected over all claims, the probability of any wrong refutation is at
///   most `level`, whatever the dependence between them.
///
/// In between lies a grey zone: an agreement whose true difference is neither zero nor beyond the
/// margin. There few runs may refute ("not the same number") what many would confirm ("the same within
/// the margin"); both statements are then true, and which is made depends on what could be shown.
///
/// Claims without evidence are undecided, and count in the correction. A level that is not strictly
/// between 0 and 0.5 decides nothing.
#[must_use]
pub fn decide(evidence: &[Evidence], level: f64) -> Vec<Verdict> {
    let refutations: Vec<f64> = evidence.iter().map(Evidence::p_refute).collect();
    let refutations = holm(&refutations);
    let each = evidence.iter().zip(refutations);
    each.map(|(evidence, p_refute)| verdict(evidence, p_refute, level))
        .collect()
}

/// The verdict by a p-value that is already corrected.
pub(super) fn verdict(evidence: &Evidence, corrected_p_refute: f64, level: f64) -> Verdict {
    if evidence.test().is_none() || !(level > 0.0 && level < 0.5) {
        Verdict::Undecided
    } else if evidence.p_confirm() <= level {
        Verdict::Confirmed
    } else if corrected_p_refute <= level {
        Verdict::Refuted
    } else {
        Verdict::Undecided
    }
}

/// p-values corrected so that the probability of any wrong rejection among them is at most the level to
/// which they are held: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (Scandinavian
/// Journal of Statistics 6, 1979). In the order given; a NaN counts as one.
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let known = |p: f64| if p.is_nan() { 1.0 } else { p };
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| known(p_values[a]).total_cmp(&known(p_values[b])));
    let mut corrected = vec![1.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (rank, &place) in order.iter().enumerate() {
        let factor = (p_values.len() - rank) as f64;
        least = least.max((known(p_values[place]) * factor).clamp(0.0, 1.0));
        corrected[place] = least;
    }
    corrected
}
