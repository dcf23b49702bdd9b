//! Many rounds of the real program on one store, with random edits, damage, kills, collections of
//! garbage and repairs. After each round: the results are those of a fresh store, byte for byte; what was
//! finished and neither damaged nor collected does not run again; nothing temporary stays.
//!
//! `FIG6_SOAK_SEED` says which rounds; `tools/soak` goes through one seed after the other for an hour.

#[path = "../common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use common::{Done, Project, done};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};
use testing::{amount, start, until};

const PIPELINE: &str = include_str!("../pipelines/one.ron");

/// Each place in the pipeline file that is edited, with what may stand there.
const EDITS: [(&str, &[&str]); 6] = [
    (
        "learning_rate: 0.1,",
        &[
            "learning_rate: 0.1,",
            "learning_rate: 0.05,",
            "learning_rate: 0.2,",
        ],
    ),
    (
        "iterations: 3,",
        &["iterations: 3,", "iterations: 4,", "iterations: 6,"],
    ),
    (
        "seeds: [0]",
        &[
            "seeds: [0]",
            "seeds: [0, 1]",
            "seeds: [1, 2, 3, 4]",
            "seeds: [0, 1, 2, 3, 4, 5, 6, 7]",
        ],
    ),
    (
        "title: \"residual nets\"",
        &["title: \"residual nets\"", "title: \"others\""],
    ),
    ("mean: 12.5", &["mean: 12.5", "mean: 13.5"]),
    ("train: 20,", &["train: 20,", "train: 30,"]),
];

/// Which text stands at each place.
type Variant = [usize; EDITS.len()];

fn text(variant: Variant) -> String {
    let mut text = PIPELINE.to_owned();
    for ((from, choices), choice) in EDITS.iter().zip(variant) {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, choices[choice], 1);
    }
    text
}

/// Outputs and reports by name.
type Results = BTreeMap<PathBuf, Vec<u8>>;

/// The results of the steps of the pipeline as it is now, and of no others.
fn results(project: &Project) -> Results {
    let steps = project.status(&[]);
    let steps = steps.iter().map(|step| step["step"].as_str().unwrap());
    let mut folders: Vec<PathBuf> = steps
        .map(|step| Path::new("artifacts/by-step").join(step))
        .collect();
    folders.push("reports/one".into());
    let mut results = Results::new();
    for folder in folders {
        for entry in fs::read_dir(project.path("").join(&folder))
            .unwrap()
            .flatten()
        {
            let name = entry.file_name();
            let passing = [
                "manifest.json",
                "log",
                "ro-crate-metadata.json",
                "report.html",
            ];
            if entry.path().is_file() && !passing.iter().any(|passing| name == *passing) {
                results.insert(folder.join(name), fs::read(entry.path()).unwrap());
            }
        }
    }
    results
}

struct Soak {
    random: ChaCha8Rng,
    project: Project,
    variant: Variant,
    /// What a fresh store gives for each variant.
    expected: HashMap<Variant, Results>,
    /// Variants whose results are all there.
    finished: BTreeSet<Variant>,
    tally: BTreeMap<&'static str, usize>,
}

impl Soak {
    fn below(&mut self, most: usize) -> usize {
        (self.random.next_u64() % most as u64) as usize
    }

    fn count(&mut self, what: &'static str, number: usize) {
        *self.tally.entry(what).or_default() += number;
    }

    fn edit(&mut self) {
        if self.below(3) == 0 {
            return;
        }
        let place = self.below(EDITS.len());
        self.variant[place] = self.below(EDITS[place].1.len());
        fs::write(self.project.path("pipeline.ron"), text(self.variant)).unwrap();
        self.count("edits", 1);
    }

    fn damage(&mut self) {
        if self.below(3) == 0 {
            return;
        }
        let files: Vec<PathBuf> = files(&self.project.path("artifacts"));
        if files.is_empty() {
            return;
        }
        for _ in 0..1 + self.below(3) {
            let path = files[self.below(files.len())].clone();
            let (how, at) = (self.below(6), self.below(1 << 20));
            // It may be gone by an earlier damage.
            if path.symlink_metadata().is_ok() {
                damage(&path, how, at, &files[at % files.len()]);
                self.count("damages", 1);
                self.finished.clear();
            }
        }
    }

    fn start(&mut self) -> Child {
        let every = ["0", "300"][self.below(2)];
        let jobs = ["1", "2"][self.below(2)];
        let mut command = self.project.command();
        command.args([
            "reproduce",
            "--json",
            "--checkpoint-every",
            every,
            "--jobs",
            jobs,
        ]);
        start(&mut command)
    }

    /// Starts one or two runs and ends them at a random moment, or lets them end.
    fn disturb(&mut self) {
        for _ in 0..1 + self.below(2) {
            let mut runs = vec![self.start()];
            if self.below(4) == 0 {
                runs.push(self.start());
            }
            for mut run in runs {
                self.wait_a_while(&mut run);
                if self.below(6) == 0 {
                    self.collect();
                }
                let how = self.below(4);
                if how < 3 && run.try_wait().unwrap().is_none() {
                    let signal = [Signal::TERM, Signal::KILL, Signal::KILL][how];
                    kill_process(Pid::from_child(&run), signal).unwrap();
                    self.count("kills", 1);
                }
                let output = run.wait_with_output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(!said.contains("panicked"), "{said}");
                assert!(
                    matches!(output.status.code(), None | Some(0 | 130)),
                    "{:?}: {said}",
                    output.status
                );
                if let Some(code) = output.status.code() {
                    assert!(code == 130 || done(&output).failed.is_empty());
                }
            }
        }
    }

    /// Waits until a run has added some results, or is through.
    fn wait_a_while(&mut self, run: &mut Child) {
        let manifests = self.project.path("artifacts/manifests");
        let results = || fs::read_dir(&manifests).map_or(0, Iterator::count);
        let enough = results() + self.below(4);
        until("some results", || {
            results() >= enough || run.try_wait().unwrap().is_some()
        });
        std::thread::sleep(Duration::from_millis(self.below(50) as u64));
    }

    fn collect(&mut self) {
        let options: &[&str] = [
            &[][..],
            &["--keep-runs", "0"],
            &["--max-size", "100kB"],
            &["--keep-runs", "0", "--interrupted"],
        ][self.below(4)];
        let collect = |soak: &Soak| soak.project.fig6(&[&["gc"], options].concat());
        let mut answer = collect(self);
        if answer.err.contains("so nothing is removed") {
            // The list of a run is damaged.
            self.project.fig6(&["fsck"]);
            answer = collect(self);
        }
        assert_eq!(answer.code, 0, "{}", answer.err);
        self.count("collections", 1);
        self.finished.clear();
    }

    fn mend(&mut self) {
        if self.below(6) == 0 {
            let answer = self.project.fig6(&["fsck"]);
            assert!(
                answer.code < 2 && !answer.err.contains("panicked"),
                "{}",
                answer.err
            );
            self.count("checks", 1);
        }
    }

    /// A run that is left alone; then everything must be as it should.
    fn settle(&mut self) {
        let output = self.start().wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said.is_empty(),
            "{said}{}",
            String::from_utf8_lossy(&output.stdout)
        );
        let Done { ran, .. } = done(&output);
        if self.finished.contains(&self.variant) {
            assert!(ran.is_empty(), "{ran:?} ran again");
            self.count("idle runs", 1);
        }
        self.count("steps", ran.len());
        let variant = self.variant;
        let expected = self.expected.entry(variant).or_insert_with(|| {
            let fresh = Project::new(&text(variant));
            assert_eq!(fresh.reproduce(&[]).code, 0);
            results(&fresh)
        });
        let found = results(&self.project);
        let differing: Vec<_> = found
            .iter()
            .filter(|&(name, bytes)| expected.get(name) != Some(bytes))
            .collect();
        assert!(
            differing.is_empty() && found.len() == expected.len(),
            "{:?}",
            differing.iter().map(|(name, _)| name).collect::<Vec<_>>()
        );
        assert!(self.project.reproduce(&[]).ran.is_empty());
        self.finished.insert(variant);
        self.count("rounds", 1);
        let left = temporary(&self.project);
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Files that only something under way may have.
fn temporary(project: &Project) -> Vec<PathBuf> {
    let mut left = Vec::new();
    for path in [project.path("artifacts"), project.path("reports")]
        .iter()
        .flat_map(|top| files(top))
    {
        let name = path.file_name().unwrap().to_str().unwrap();
        let aside = path.starts_with(project.path("artifacts/set-aside"));
        let temporary =
            name.starts_with('.') || name.ends_with(".partial") || name.ends_with(".lock");
        if temporary && !aside && !path.to_str().unwrap().contains("/scratch/") {
            left.push(path);
        }
    }
    left
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .flatten();
    let files = entries.filter(|entry| !entry.file_type().is_dir());
    files.map(|entry| entry.into_path()).collect()
}

/// Does something to a file or link.
fn damage(path: &Path, how: usize, at: usize, other: &Path) {
    let bytes = fs::read(path).unwrap_or_default();
    let other = fs::read(other).unwrap_or_default();
    if !path.is_symlink() {
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o644));
    }
    let write = |bytes: &[u8]| {
        let mut file = fs::File::options()
            .write(true)
            .truncate(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(bytes).unwrap();
    };
    match how {
        0 => fs::remove_file(path).unwrap(),
        1 => {
            fs::remove_file(path).unwrap();
            fs::create_dir_all(path.join("inside")).unwrap();
        }
        _ if path.is_symlink() => {
            fs::remove_file(path).unwrap();
            fs::write(path, other).unwrap();
        }
        2 => write(&bytes[..at % bytes.len().max(1)]),
        3 if !bytes.is_empty() => {
            let mut bytes = bytes;
            let place = at % bytes.len();
            bytes[place] ^= 1 << (at % 8);
            write(&bytes);
        }
        4 => write(&other),
        _ => write(&[]),
    }
}

#[test]
fn after_any_number_of_disturbances_results_are_those_of_a_fresh_store() {
    let seed = std::env::var("FIG6_SOAK_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let mut soak = Soak {
        random: ChaCha8Rng::seed_from_u64(seed),
        project: Project::new(PIPELINE),
        variant: [0; EDITS.len()],
        expected: HashMap::new(),
        finished: BTreeSet::new(),
        tally: BTreeMap::new(),
    };
    for round in 0..amount(4, 25, 200) {
        // What a failing round did is found again by its seed and its number.
        println!("seed {seed}, round {round}");
        soak.edit();
        soak.damage();
        soak.disturb();
        if soak.below(8) == 0 {
            soak.collect();
        }
        soak.mend();
        soak.settle();
    }
    println!("seed {seed}: {:?}", soak.tally);
}

/// What a process holds, as the kernel tells.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    descriptors: usize,
    /// The most memory that it ever held.
    kilobytes: usize,
}

fn held(process: u32) -> Option<Held> {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?.count();
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(Held {
        descriptors,
        kilobytes,
    })
}

#[test]
fn a_run_of_many_steps_holds_no_more_at_its_end_than_at_its_beginning() {
    let count = amount(20, 60, 500);
    let steps = 3 * count + 6;
    let seeds: Vec<String> = (0..count).map(|seed| seed.to_string()).collect();
    let seeds = format!("seeds: [{}]", seeds.join(", "));
    let pipeline = PIPELINE.replace("seeds: [0]", &seeds);
    let project = Project::new(&pipeline);
    let mut command = project.command();
    command.args(["reproduce", "--json", "--jobs", "2"]);
    let mut child = start(&mut command);
    let mut samples: Vec<Held> = Vec::new();
    let events = BufReader::new(child.stdout.take().unwrap()).lines();
    let ends = events.filter(|event| event.as_ref().unwrap().contains("\"finished\""));
    for _ in ends.take(steps) {
        samples.push(held(child.id()).unwrap());
    }
    assert_eq!(samples.len(), steps);
    // The report is made now.
    while child.try_wait().unwrap().is_none() {
        samples.extend(held(child.id()));
    }
    let most = |samples: &[Held]| Held {
        descriptors: samples.iter().map(|held| held.descriptors).max().unwrap(),
        kilobytes: samples.iter().map(|held| held.kilobytes).max().unwrap(),
    };
    let (early, late) = (most(&samples[..steps / 3]), most(&samples[2 * steps / 3..]));
    println!("{steps} steps: at first {early:?}, at last {late:?}");
    assert!(
        late.descriptors <= early.descriptors + 4,
        "{early:?} {late:?}"
    );
    // What it knows of each result, and at the end the evidence and the page that the report is given: below
    // 104 kB a step, and what making a report takes at all.
    assert!(
        late.kilobytes <= early.kilobytes + 4096 + 104 * steps,
        "{early:?} {late:?}"
    );
    assert!(temporary(&project).is_empty());
}
