//! The tables of `docs/statistics.md`: how often verdicts are wrong, how often they are given, and what
//! they are on the published numbers. Prints Markdown.
//!
//! `cargo bench --bench verdicts`

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "verdicts/published.rs"]
mod published;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "verdicts/simulation.rs"]
mod simulation;

use statistics::Verdict;

use simulation::{Family, Kind, LEVEL, Normal, SIGMA, rates};

/// Experiments per row; three standard errors of a rate of 0.05 are 0.0065.
const EXPERIMENTS: usize = 10_000;

const KINDS: [(Kind, &str); 7] = [
    (Kind::FiveRuns, "mean of five published runs, margin 0.5"),
    (Kind::SingleRun, "single published run, margin 1.0"),
    (Kind::SingleRunRead, "the same, read off a figure"),
    (Kind::Order, "order"),
    (Kind::Bound, "bound"),
    (Kind::Trend, "trend of three groups, margin 0.5"),
    (Kind::Dip, "the same, where only the last step is in doubt"),
];

fn main() {
    errors();
    families();
    power();
    for family in published::families() {
        println!("### {}\n\n{}", family.name, published::table(&family));
    }
}

/// Each kind of claim by itself, where it is hardest to be right.
fn errors() {
    println!("### Wrong verdicts on one claim\n");
    println!("| claim | seeds | spreads | wrongly confirmed | wrongly refuted |");
    println!("|---|---|---|---|---|");
    let mut draw = Normal::new(1);
    for (kind, name) in KINDS {
        for (n, stds) in [
            (5, [SIGMA; 2]),
            (5, [0.13, 0.27]),
            (5, [0.27, 0.13]),
            (3, [0.27, 0.13]),
            (2, [SIGMA; 2]),
            (2, [0.27, 0.13]),
        ] {
            let just_false = || kind.experiment(kind.just_false(), n, stds, &mut draw);
            let confirmed = rates(EXPERIMENTS, just_false).confirmed;
            let mut refuting = || kind.experiment(0.0, n, stds, &mut draw).p_refute() <= LEVEL;
            let refuted = (0..EXPERIMENTS).filter(|_| refuting()).count() as f64;
            let [first, second] = stds;
            let refuted = refuted / EXPERIMENTS as f64;
            println!("| {name} | {n} | {first}, {second} | {confirmed:.3} | {refuted:.3} |");
        }
    }
    println!();
}

/// Twelve claims at once.
fn families() {
    println!("### Twelve claims at once\n");
    println!("| truth | seeds | all confirmed | some refuted |");
    println!("|---|---|---|---|");
    let real = [8.5, 7.0, 6.2, 9.7, 13.0];
    let family = |change: &dyn Fn(&mut Family)| {
        let mut family = Family {
            ours: real,
            five_runs: real,
            single_runs: real,
        };
        change(&mut family);
        family
    };
    let plain_equal = |family: &mut Family| {
        for means in [
            &mut family.ours,
            &mut family.five_runs,
            &mut family.single_runs,
        ] {
            means[4] = means[3];
        }
    };
    let equal = Family {
        ours: [8.0; 5],
        five_runs: [8.0; 5],
        single_runs: [8.0; 5],
    };
    for (truth, family, seeds) in [
        ("all hold", family(&|_| {}), &[2, 3, 5, 10][..]),
        ("all just hold: every mean is equal", equal, &[2, 5, 10]),
        (
            "one is just false: a mean of five runs is off by 0.5",
            family(&|family| family.five_runs[0] += 0.5),
            &[5, 10],
        ),
        (
            "one is just false: a single run is off by 1.0",
            family(&|family| family.single_runs[3] -= 1.0),
            &[5, 10],
        ),
        (
            "one is just false: the plain nets are equal",
            family(&plain_equal),
            &[5, 10],
        ),
    ] {
        for &n in seeds {
            let mut draw = Normal::new(2);
            let (mut all, mut some) = (0, 0);
            for _ in 0..EXPERIMENTS {
                let verdicts = family.experiment(n, &mut draw);
                all += usize::from(verdicts.iter().all(|v| *v == Verdict::Confirmed));
                some += usize::from(verdicts.contains(&Verdict::Refuted));
            }
            let share = |count: usize| count as f64 / EXPERIMENTS as f64;
            println!("| {truth} | {n} | {:.3} | {:.3} |", share(all), share(some));
        }
    }
    println!();
}

/// How often which verdict is given, by the true difference and the number of seeds.
fn power() {
    println!("### Confirmed / undecided / refuted, in percent\n");
    println!("| claim | true difference, points | 5 seeds | 2 seeds | 3 seeds | 10 seeds |");
    println!("|---|---|---|---|---|---|");
    for (kind, name) in &KINDS[..6] {
        let differences: &[f64] = match kind {
            Kind::FiveRuns => &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0],
            Kind::SingleRun | Kind::SingleRunRead => &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0],
            _ => &[1.0, 0.5, 0.3, 0.2, 0.1, 0.0, -0.1, -0.2, -0.3, -0.5, -1.0],
        };
        for &difference in differences {
            print!("| {name} | {difference} |");
            for n in [5, 2, 3, 10] {
                let mut draw = Normal::new(3);
                let rates = rates(EXPERIMENTS, || {
                    kind.experiment(difference, n, [SIGMA; 2], &mut draw)
                });
                let [confirmed, undecided, refuted] =
                    [rates.confirmed, rates.undecided, rates.refuted].map(|rate| 100.0 * rate);
                print!(" {confirmed:.0} / {undecided:.0} / {refuted:.0} |");
            }
            println!();
        }
    }
    println!();
}
