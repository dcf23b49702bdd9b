//! Runs one parser on many inputs and holds it to its bounds.

use std::collections::HashMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::ALLOCATOR;
use super::dice::Dice;
use testing::{HANG, amount, folder};

/// The allocator counts for the whole process, so one target runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Longest input that is kept for the corpus.
const LONGEST_KEPT: usize = 1500;

/// Longest message beyond what it cites of the input.
const MESSAGE: usize = 4000;

/// What memory a parser may take: a constant, and so much for each byte of its input.
#[derive(Clone, Copy)]
pub struct Bound {
    pub fixed: usize,
    pub per_byte: usize,
}

impl Bound {
    fn of(self, length: usize) -> usize {
        self.fixed + self.per_byte * length
    }
}

pub const KB: usize = 1 << 10;
pub const MB: usize = 1 << 20;

/// Damages an input; the last argument is another one to borrow from.
type Damage = dyn Fn(&mut Dice, &mut Vec<u8>, &[u8]);

/// A parser under fire.
pub struct Target<'a> {
    pub name: &'static str,
    pub bound: Bound,
    pub seeds: Vec<Vec<u8>>,
    pub damage: &'a Damage,
    /// Parses the input, which also lies in the file; whether it was accepted, or why not.
    pub parse: &'a dyn Fn(&Path, &[u8]) -> Result<()>,
}

/// What happened over all inputs of a target.
#[derive(Default)]
struct Tally {
    /// Kinds of answer, each with the length of the shortest input that leads to it.
    kinds: HashMap<String, usize>,
    accepted: u64,
    refused: u64,
    /// Largest share of the bound that an input took, in percent, and the most memory.
    share: usize,
    peak: usize,
    slowest: Duration,
    longest: usize,
}

/// Alone among all tests while the guard lives: what others allocate would count as well.
pub fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the work gives, and the most memory that it took beyond what was taken before.
pub fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let result = work();
    (result, ALLOCATOR.peak_usage().saturating_sub(before))
}

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable);
    text.map_or(default, |text| text.parse().expect("a number"))
}

/// The inputs of the repository's corpus for a target.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name);
    let Ok(entries) = fs::read_dir(&folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

impl Target<'_> {
    /// Gives the parser its seeds as they are, those of the corpus, and then damaged ones.
    pub fn run(self) {
        self.fire(&corpus(self.name));
    }

    fn fire(&self, corpus: &[Vec<u8>]) {
        let (seed, first) = (number("FIG6_FUZZ_SEED", 0), number("FIG6_FUZZ_FIRST", 0));
        let cases = number("FIG6_FUZZ_CASES", amount(60, 250, 3000));
        let folder = folder();
        // Where a crash leaves it that no test survives (a stack overflow, an abort).
        let path = folder.path().join("input");
        println!("{}: the input under way is {}", self.name, path.display());
        let mut tally = Tally::default();
        for input in self.seeds.iter().chain(corpus) {
            self.one(&path, input, "a seed as it is", &mut tally);
        }
        for case in first..first + cases {
            let mut dice = Dice::new(seed, self.name, case);
            // What is sound gets further before it is refused.
            let mut pick = || match corpus.is_empty() || !dice.one_in(8) {
                true => dice.pick(&self.seeds),
                false => dice.pick(corpus),
            };
            let (mut input, other) = (pick().clone(), pick());
            (self.damage)(&mut dice, &mut input, other);
            let address = format!("FIG6_FUZZ_SEED={seed} FIG6_FUZZ_FIRST={case} FIG6_FUZZ_CASES=1");
            self.one(&path, &input, &address, &mut tally);
        }
        println!(
            "fuzz {} cases {} accepted {} refused {} peak_kb {} bound_percent {} slowest_ms {} message {}",
            self.name,
            tally.accepted + tally.refused,
            tally.accepted,
            tally.refused,
            tally.peak / KB,
            tally.share,
            tally.slowest.as_millis(),
            tally.longest,
        );
    }

    fn one(&self, path: &Path, input: &[u8], address: &str, tally: &mut Tally) {
        fs::write(path, input).unwrap();
        let started = Instant::now();
        let (outcome, peak) =
            measured(|| catch_unwind(AssertUnwindSafe(|| (self.parse)(path, input))));
        let took = started.elapsed();
        let bound = self.bound.of(input.len());
        let fail = |why: String| -> ! {
            let kept = std::env::temp_dir().join(format!("fig6-hostile-{}.input", self.name));
            fs::write(&kept, input).unwrap();
            panic!(
                "{}: {why}; the input is kept in {}; again with {address}",
                self.name,
                kept.display()
            )
        };
        if let Some(folder) = std::env::var_os("FIG6_FUZZ_KEEP") {
            tally.keep(&Path::new(&folder).join(self.name), path, input, &outcome);
        }
        match outcome {
            Err(_) => fail("the parser panicked".to_owned()),
            Ok(Ok(())) => tally.accepted += 1,
            Ok(Err(error)) => {
                let message = format!("{error:#}");
                tally.longest = tally.longest.max(message.len());
                if message.len() > MESSAGE + 4 * input.len() {
                    fail(format!("the error has {} bytes", message.len()));
                }
                tally.refused += 1;
            }
        }
        if peak > bound {
            let length = input.len();
            fail(format!("{peak} bytes for {length} of input, above {bound}"));
        }
        if took > HANG {
            fail(format!("it took {took:?}"));
        }
        tally.peak = tally.peak.max(peak);
        tally.share = tally.share.max(100 * peak / bound);
        tally.slowest = tally.slowest.max(took);
    }
}

impl Tally {
    /// Keeps the shortest input for each kind of answer: this is how most of the corpus was made.
    fn keep(
        &mut self,
        folder: &Path,
        path: &Path,
        input: &[u8],
        outcome: &std::thread::Result<Result<()>>,
    ) {
        let message = match outcome {
            Ok(Err(error)) => error.root_cause().to_string(),
            _ => "accepted".to_owned(),
        };
        let message = message.replace(&path.display().to_string(), "");
        // Without what is cited of the input, which may be anything.
        let mut words = message.split(|letter: char| "\"'`\u{201c}".contains(letter));
        let mut kind = String::new();
        while let Some(word) = words.next() {
            kind.extend(word.chars().filter(|letter| letter.is_ascii_lowercase()));
            words.next();
        }
        kind.truncate(40);
        if kind.is_empty() {
            kind.push_str("other");
        }
        let known = self.kinds.get(&kind).copied().unwrap_or(LONGEST_KEPT + 1);
        if input.len() < known {
            fs::create_dir_all(folder).unwrap();
            fs::write(folder.join(&kind), input).unwrap();
            self.kinds.insert(kind, input.len());
        }
    }
}

#[test]
fn a_parser_that_panics_or_takes_or_says_too_much_is_caught() {
    let _alone = alone();
    let caught = |parse: &dyn Fn(&Path, &[u8]) -> Result<()>| {
        let target = Target {
            name: "itself",
            bound: Bound {
                fixed: MB,
                per_byte: 1,
            },
            seeds: vec![b"seed".to_vec()],
            damage: &Dice::damage,
            parse,
        };
        let failure = catch_unwind(AssertUnwindSafe(|| target.run())).unwrap_err();
        failure.downcast::<String>().unwrap()
    };
    assert!(caught(&|_, _| panic!("on purpose")).contains("the parser panicked"));
    let greedy = |_: &Path, _: &[u8]| {
        std::hint::black_box(vec![0_u8; 2 * MB]);
        Ok(())
    };
    assert!(caught(&greedy).contains("2097152 bytes for 4 of input, above 1048580"));
    let wordy = |_: &Path, _: &[u8]| anyhow::bail!("word ".repeat(1000));
    assert!(caught(&wordy).contains("the error has 5000 bytes"));
    let kept = std::env::temp_dir().join("fig6-hostile-itself.input");
    assert_eq!(fs::read(&kept).unwrap(), b"seed");
    fs::remove_file(kept).unwrap();
}
