//! Simulated experiments: trainings whose test errors are normal, judged by the rules of
//! the crate `statistics`. Shared by the tables of `docs/statistics.md` (`benches/verdicts.rs`) and the tests
//! of error rates (`tests/statistics`).

use std::f64::consts::TAU;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use statistics::{
    Evidence, Published, Relation, Sample, Verdict, agreement, bound, decide, order, trend,
};

/// Level of all tests.
pub const LEVEL: f64 = 0.05;

/// Typical standard deviation from run to run, in points.
pub const SIGMA: f64 = 0.2;

/// Standard uncertainty of a number read off a figure, in points.
pub const READING_ERROR: f64 = 0.15;

/// Margin for the mean of five published runs, in points; also for the neighbours of a trend.
pub const MARGIN: f64 = 0.5;

/// Margin for a single published run, in points.
pub const MARGIN_OF_ONE: f64 = 1.0;

/// Where a test error is when nothing else is said, in percent.
const BASE: f64 = 8.0;

/// Normal draws from a seed.
pub struct Normal {
    random: ChaCha8Rng,
    spare: Option<f64>,
    /// What a value is a multiple of, in points; zero for any value.
    pub step: f64,
}

impl Normal {
    pub fn new(seed: u64) -> Normal {
        Normal {
            random: ChaCha8Rng::seed_from_u64(seed),
            spare: None,
            step: 0.0,
        }
    }

    /// Box and Muller, "A Note on the Generation of Random Normal Deviates" (1958).
    fn standard(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        // 53 bits each; the first is never zero.
        let mut uniform = || (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let (radius, angle) = ((-2.0 * (1.0 - uniform()).ln()).sqrt(), TAU * uniform());
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }

    pub fn draw(&mut self, mean: f64, std: f64) -> f64 {
        let value = mean + std * self.standard();
        if self.step > 0.0 {
            (value / self.step).round() * self.step
        } else {
            value
        }
    }

    pub fn sample(&mut self, n: usize, mean: f64, std: f64) -> Sample {
        let runs: Vec<f64> = (0..n).map(|_| self.draw(mean, std)).collect();
        Sample::of(&runs).expect("normal draws are finite")
    }

    /// A mean over five runs, with its spread.
    pub fn five_runs(&mut self, mean: f64, std: f64) -> Published {
        let sample = self.sample(5, mean, std);
        Published {
            mean: sample.mean,
            std: sample.std,
            runs: sample.n,
            reading_error: 0.0,
        }
    }

    /// A single run, read with this uncertainty.
    pub fn single_run(&mut self, mean: f64, std: f64, reading_error: f64) -> Published {
        let run = self.draw(mean, std);
        Published {
            mean: self.draw(run, reading_error),
            std: None,
            runs: 1,
            reading_error,
        }
    }
}

/// A kind of claim.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Agreement with a mean of five runs.
    FiveRuns,
    /// Agreement with a single run.
    SingleRun,
    /// Agreement with a single run that was read off a figure.
    SingleRunRead,
    Order,
    Bound,
    /// Three groups.
    Trend,
    /// Three groups of which the last is not lower than the second.
    Dip,
}

impl Kind {
    /// The margin, in points.
    pub fn margin(self) -> f64 {
        match self {
            Kind::FiveRuns | Kind::Trend | Kind::Dip => MARGIN,
            Kind::SingleRun | Kind::SingleRunRead => MARGIN_OF_ONE,
            Kind::Order | Kind::Bound => 0.0,
        }
    }

    /// The true difference at which the claim just ceases to be true within its margin.
    pub fn just_false(self) -> f64 {
        match self {
            Kind::Trend => 0.0,
            _ => self.margin(),
        }
    }

    /// One experiment with so many seeds and these two spreads (ours, theirs; the first group's, the
    /// others'), all in points. The difference is the true one: ours minus published; of an order or a
    /// bound how far the claim is true; of a trend how far each group is below the one before; of a dip
    /// how far the last group is above the second, which is far below the first.
    pub fn experiment(
        self,
        difference: f64,
        n: usize,
        stds: [f64; 2],
        draw: &mut Normal,
    ) -> Evidence {
        let [first, second] = stds;
        let ours = draw.sample(n, BASE + difference, first);
        match self {
            Kind::FiveRuns => agreement(&ours, &draw.five_runs(BASE, second), MARGIN),
            // A single run can only be judged if it is of the same spread.
            Kind::SingleRun => agreement(&ours, &draw.single_run(BASE, first, 0.0), MARGIN_OF_ONE),
            Kind::SingleRunRead => {
                let published = draw.single_run(BASE, first, READING_ERROR);
                agreement(&ours, &published, MARGIN_OF_ONE)
            }
            Kind::Order => order(&ours, &draw.sample(n, BASE, second)),
            Kind::Bound => bound(&ours, BASE, Relation::Above),
            Kind::Trend => {
                let middle = draw.sample(n, BASE, second);
                trend(
                    &[ours, middle, draw.sample(n, BASE - difference, second)],
                    MARGIN,
                )
            }
            Kind::Dip => {
                let top = draw.sample(n, BASE + 2.0, second);
                trend(&[top, draw.sample(n, BASE, second), ours], MARGIN)
            }
        }
    }
}

/// How often which verdict was given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    pub confirmed: f64,
    pub undecided: f64,
    pub refuted: f64,
}

/// The verdicts on single claims in so many experiments.
pub fn rates(experiments: usize, mut experiment: impl FnMut() -> Evidence) -> Rates {
    let mut rates = Rates::default();
    let share = 1.0 / experiments as f64;
    for _ in 0..experiments {
        match decide(&[experiment()], LEVEL)[0] {
            Verdict::Confirmed => rates.confirmed += share,
            Verdict::Undecided => rates.undecided += share,
            Verdict::Refuted => rates.refuted += share,
        }
    }
    rates
}

/// The twelve claims on the five nets of which S has published means over five runs: each net agrees
/// with S and with a single run; Plain-56 is worse than Plain-20; deeper residual nets are better.
pub struct Family {
    /// True mean test errors of ResNet-20, 56, 110, Plain-20 and Plain-56, in percent.
    pub ours: [f64; 5],
    /// What S's five runs are drawn around.
    pub five_runs: [f64; 5],
    /// What the single runs are drawn around.
    pub single_runs: [f64; 5],
}

impl Family {
    /// The verdicts of one experiment with so many seeds, all with the same spread.
    pub fn experiment(&self, n: usize, draw: &mut Normal) -> Vec<Verdict> {
        let ours = self.ours.map(|mean| draw.sample(n, mean, SIGMA));
        let mut evidence = Vec::with_capacity(12);
        for (net, sample) in ours.iter().enumerate() {
            let published = draw.five_runs(self.five_runs[net], SIGMA);
            evidence.push(agreement(sample, &published, MARGIN));
            let published = draw.single_run(self.single_runs[net], SIGMA, 0.0);
            evidence.push(agreement(sample, &published, MARGIN_OF_ONE));
        }
        evidence.push(order(&ours[4], &ours[3]));
        evidence.push(trend(&ours[..3], MARGIN));
        decide(&evidence, LEVEL)
    }
}
