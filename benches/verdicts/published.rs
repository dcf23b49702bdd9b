//! Published results as if they were runs of ours, and what a careful reader would make of them. Shared
//! by the tables of `docs/statistics.md` (`benches/verdicts.rs`) and the tests (`tests/statistics`).

use statistics::{
    Evidence, Published, Sample, Seeds, Verdict, agreement, decide, holm, order, seeds_needed,
    trend,
};

use super::simulation::{LEVEL, MARGIN, MARGIN_OF_ONE, READING_ERROR};

/// Claims that are judged together.
pub struct Family {
    pub name: &'static str,
    pub claims: Vec<Claim>,
}

pub struct Claim {
    pub name: &'static str,
    what: What,
    /// The verdict that is given.
    pub expected: Verdict,
    /// What a careful reader says of it.
    pub remark: &'static str,
}

enum What {
    Agreement(Sample, Published),
    Order(Sample, Sample),
    Trend(Vec<Sample>),
}

impl Claim {
    pub fn evidence(&self) -> Evidence {
        self.evidence_of(|sample| sample)
    }

    /// The evidence with other numbers of runs of ours.
    fn evidence_of(&self, runs: impl Fn(Sample) -> Sample) -> Evidence {
        match &self.what {
            What::Agreement(ours, published) => agreement(&runs(*ours), published, self.margin()),
            What::Order(larger, smaller) => order(&runs(*larger), &runs(*smaller)),
            What::Trend(samples) => {
                let samples: Vec<Sample> = samples.iter().map(|sample| runs(*sample)).collect();
                trend(&samples, self.margin())
            }
        }
    }

    /// In points.
    pub fn margin(&self) -> f64 {
        match &self.what {
            What::Agreement(_, published) if published.runs < 2 => MARGIN_OF_ONE,
            What::Agreement(..) | What::Trend(_) => MARGIN,
            What::Order(..) => 0.0,
        }
    }

    /// Our fewest runs.
    fn runs(&self) -> u64 {
        match &self.what {
            What::Agreement(ours, _) => ours.n,
            What::Order(larger, smaller) => larger.n.min(smaller.n),
            What::Trend(samples) => samples.iter().map(|sample| sample.n).min().unwrap_or(0),
        }
    }

    /// How many runs would decide it, judged with so many claims.
    pub fn seeds(&self, claims: usize) -> Seeds {
        seeds_needed(self.runs(), claims, LEVEL, |n| {
            self.evidence_of(|sample| sample.with_runs(n))
        })
    }
}

impl Family {
    pub fn verdicts(&self) -> Vec<Verdict> {
        let evidence: Vec<Evidence> = self.claims.iter().map(Claim::evidence).collect();
        decide(&evidence, LEVEL)
    }
}

fn s(mean: f64, std: f64) -> Sample {
    Sample {
        n: 5,
        mean,
        std: Some(std),
    }
}

fn runs(runs: &[f64]) -> Sample {
    Sample::of(runs).expect("published runs are finite")
}

fn mean(mean: f64, std: f64) -> Published {
    Published {
        mean,
        std: Some(std),
        runs: 5,
        reading_error: 0.0,
    }
}

fn single(mean: f64) -> Published {
    Published {
        mean,
        std: None,
        runs: 1,
        reading_error: 0.0,
    }
}

/// Read off Fig. 6.
fn read(mean: f64) -> Published {
    Published {
        reading_error: READING_ERROR,
        ..single(mean)
    }
}

fn agrees(
    name: &'static str,
    ours: Sample,
    published: Published,
    expected: Verdict,
    remark: &'static str,
) -> Claim {
    Claim {
        name,
        what: What::Agreement(ours, published),
        expected,
        remark,
    }
}

fn larger(name: &'static str, larger: Sample, smaller: Sample, remark: &'static str) -> Claim {
    Claim {
        name,
        what: What::Order(larger, smaller),
        expected: Verdict::Confirmed,
        remark,
    }
}

fn falls(name: &'static str, samples: &[Sample], expected: Verdict, remark: &'static str) -> Claim {
    Claim {
        name,
        what: What::Trend(samples.to_vec()),
        expected,
        remark,
    }
}

/// All of them.
pub fn families() -> Vec<Family> {
    vec![reproduction(), others_and_the_paper(), others_and_s()]
}

/// S's five runs, as ours, against He et al.
fn reproduction() -> Family {
    use Verdict::{Confirmed, Refuted, Undecided};
    let (resnet20, resnet56, resnet110) = (s(8.51, 0.22), s(7.40, 0.27), s(7.14, 0.20));
    let (plain20, plain56) = (s(9.78, 0.13), s(12.95, 0.22));
    Family {
        name: "S (five runs) against He et al.",
        claims: vec![
            agrees(
                "ResNet-20 = 8.75",
                resnet20,
                single(8.75),
                Confirmed,
                "agrees: a quarter of a point is what seeds alone do",
            ),
            agrees(
                "ResNet-56 = 6.97",
                resnet56,
                single(6.97),
                Undecided,
                "agrees that it is open: 0.43 higher is no difference for certain, and with a spread of 0.27 a single run says too little",
            ),
            agrees(
                "ResNet-110 = 6.61 ± 0.16 (5 runs)",
                resnet110,
                mean(6.61, 0.16),
                Refuted,
                "agrees: chance does not explain half a point between two means of five, and S's schedule has a slip there",
            ),
            agrees(
                "Plain-20 = 9.67 (read)",
                plain20,
                read(9.67),
                Confirmed,
                "agrees",
            ),
            agrees(
                "Plain-56 = 13.25 (read)",
                plain56,
                read(13.25),
                Confirmed,
                "agrees: 0.3 of the 1.0 that was allowed",
            ),
            larger(
                "Plain-56 > Plain-20",
                plain56,
                plain20,
                "agrees: the degradation problem, 28 standard errors of it",
            ),
            larger("Plain-20 > ResNet-20", plain20, resnet20, "agrees"),
            larger("Plain-56 > ResNet-56", plain56, resnet56, "agrees"),
            larger("ResNet-20 > ResNet-56", resnet20, resnet56, "agrees"),
            falls(
                "ResNet-20, 56, 110 fall",
                &[resnet20, resnet56, resnet110],
                Confirmed,
                "agrees; the last step alone, 0.26, would be open, but it is no rise",
            ),
        ],
    }
}

fn others() -> [Sample; 5] {
    [
        runs(&[8.04, 8.27, 8.29, 8.06]),
        runs(&[7.79, 7.37, 7.63, 7.30]),
        runs(&[7.51, 6.90, 7.14, 6.99]),
        runs(&[7.46, 6.61, 6.94, 6.81]),
        runs(&[6.32, 6.73, 6.97, 6.44, 6.41]),
    ]
}

/// The other reproductions, each net's as runs of one, against He et al.
fn others_and_the_paper() -> Family {
    use Verdict::{Confirmed, Undecided};
    let [resnet20, resnet32, resnet44, resnet56, resnet110] = others();
    Family {
        name: "Other reproductions (each a run) against He et al.",
        claims: vec![
            agrees(
                "ResNet-20 = 8.75",
                resnet20,
                single(8.75),
                Confirmed,
                "agrees with reluctance: 0.6 lower is within the margin of 1.0 and yet significant by itself; a margin of 0.5 would leave it undecided",
            ),
            agrees(
                "ResNet-32 = 7.51",
                resnet32,
                single(7.51),
                Confirmed,
                "agrees",
            ),
            agrees(
                "ResNet-44 = 7.17",
                resnet44,
                single(7.17),
                Confirmed,
                "agrees",
            ),
            agrees(
                "ResNet-56 = 6.97",
                resnet56,
                single(6.97),
                Confirmed,
                "agrees, just: the four codes spread by 0.36",
            ),
            agrees(
                "ResNet-110 = 6.61 ± 0.16 (5 runs)",
                resnet110,
                mean(6.61, 0.16),
                Confirmed,
                "agrees",
            ),
            agrees(
                "ResNet-1202 = 7.93",
                runs(&[6.18]),
                single(7.93),
                Undecided,
                "agrees: a single run shows no spread, though 1.75 lower is remarkable",
            ),
            agrees(
                "Plain-20 = 9.67 (read)",
                runs(&[9.69]),
                read(9.67),
                Undecided,
                "agrees: one run",
            ),
            agrees(
                "Plain-56 = 13.25 (read)",
                runs(&[13.07]),
                read(13.25),
                Undecided,
                "agrees: one run",
            ),
            larger("ResNet-20 > ResNet-56", resnet20, resnet56, "agrees"),
            falls(
                "ResNet-20, 32, 44, 56, 110 fall",
                &others(),
                Confirmed,
                "agrees",
            ),
        ],
    }
}

/// The other reproductions against S.
fn others_and_s() -> Family {
    use Verdict::{Refuted, Undecided};
    let [resnet20, _, _, resnet56, resnet110] = others();
    Family {
        name: "Other reproductions (each a run) against S",
        claims: vec![
            agrees(
                "ResNet-20 = 8.51 ± 0.22 (5 runs)",
                resnet20,
                mean(8.51, 0.22),
                Undecided,
                "agrees that it is open: 0.35 is neither nothing nor little",
            ),
            agrees(
                "ResNet-56 = 7.40 ± 0.27 (5 runs)",
                resnet56,
                mean(7.40, 0.27),
                Undecided,
                "agrees that it is open",
            ),
            agrees(
                "ResNet-110 = 7.14 ± 0.20 (5 runs)",
                resnet110,
                mean(7.14, 0.20),
                Refuted,
                "agrees: all five are below 7.0, as the paper is",
            ),
        ],
    }
}

/// The verdicts with what they rest on, as a table in Markdown.
pub fn table(family: &Family) -> String {
    let mut table = "\
| claim | difference, 95% interval | p, false | p, exact | by Holm | verdict | seeds | a careful reader |
|---|---|---|---|---|---|---|---|
"
    .to_owned();
    let evidence: Vec<Evidence> = family.claims.iter().map(Claim::evidence).collect();
    let refutations: Vec<f64> = evidence.iter().map(Evidence::p_refute).collect();
    let judged = evidence
        .iter()
        .zip(family.verdicts())
        .zip(holm(&refutations));
    for (claim, ((evidence, verdict), holm)) in family.claims.iter().zip(judged) {
        let numbers = match evidence {
            Evidence::Test(test) => format!(
                "{:+.2} [{:+.2}, {:+.2}] | {} | {} | {}",
                test.estimate,
                test.interval.low,
                test.interval.high,
                p(test.p_confirm),
                p(test.p_refute),
                p(holm)
            ),
            Evidence::Unknown(unknown) => format!("{unknown} | – | – | –"),
        };
        table += &format!(
            "| {} | {numbers} | {} | {} | {} |\n",
            claim.name,
            format!("{verdict:?}").to_lowercase(),
            seeds(claim, verdict, family.claims.len()),
            claim.remark
        );
    }
    table
}

fn p(value: f64) -> String {
    if value < 0.0005 {
        "< 0.001".to_owned()
    } else {
        format!("{value:.3}")
    }
}

fn seeds(claim: &Claim, verdict: Verdict, claims: usize) -> String {
    if verdict != Verdict::Undecided {
        return "–".to_owned();
    }
    match claim.seeds(claims) {
        Seeds::Total(n) => n.to_string(),
        Seeds::AtLeast(n) => format!("at least {n}"),
        Seeds::Never(why) => format!("none would do: {why}"),
    }
}
