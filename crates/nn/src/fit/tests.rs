//! The training loop's own promises, on every device that is tested.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::architecture::{Architecture, Shortcut};
use crate::augment::Augmentation;
use crate::device::{Backend, tested};
use crate::schedule::{LrSchedule, WarmUp};
use crate::snapshots::Snapshots;
use crate::trained_on::TrainedOn;
use records::Statistics;

pub const PLAIN_8: Architecture = Architecture {
    n: 1,
    shortcut: Shortcut::None,
};

pub fn recipe(iterations: u64) -> Recipe {
    Recipe {
        batch_size: 10,
        momentum: 0.9,
        weight_decay: 1e-4,
        augmentation: Augmentation { pad: 4, flip: true },
        schedule: LrSchedule {
            learning_rate: 0.1,
            milestones: vec![],
            factor: 10.0,
            iterations,
            warm_up: WarmUp::None,
        },
        evaluate_every: 3,
        snapshots: Snapshots {
            count: 2,
            window: 2.min(iterations),
        },
    }
}

/// A few images that differ from each other, ten classes in turn.
fn images(count: usize) -> Images {
    let mut images = Images::default();
    for index in 0..count {
        let pixels: Vec<u8> = (0..cifar::IMAGE)
            .map(|pixel| ((pixel * (index % 10 + 1) + 37 * index) % 251) as u8)
            .collect();
        images.push((index % 10) as u8, &pixels).unwrap();
    }
    images
}

/// What a short training reads: 25 images to train on, 10 to test with.
pub struct Pictures {
    train: Images,
    test: Images,
    none: Images,
    statistics: Statistics,
    classes: Vec<String>,
}

impl Pictures {
    pub fn new() -> Pictures {
        Pictures {
            train: images(25),
            test: images(10),
            none: Images::default(),
            statistics: Statistics {
                mean: [0.5; 3],
                std: [0.25; 3],
            },
            classes: (0..10).map(|at| format!("class {at}")).collect(),
        }
    }

    pub fn data(&self) -> Data<'_> {
        Data {
            train: &self.train,
            validation: &self.none,
            test: &self.test,
            statistics: &self.statistics,
            classes: &self.classes,
        }
    }
}

/// A training of Plain-8 for 7 iterations in batches of 10, evaluated every 3 iterations.
pub struct Short {
    pub recipe: Recipe,
    pub backend: Backend,
    pub checkpoints: Option<Checkpoints>,
    /// Ask to stop after this many iterations.
    stop_after: u64,
}

impl Short {
    pub fn on(backend: Backend) -> Short {
        Short {
            recipe: recipe(7),
            backend,
            checkpoints: None,
            stop_after: u64::MAX,
        }
    }

    /// With checkpoints in this folder, one after every iteration.
    pub fn with_checkpoints(backend: Backend, folder: &Path) -> Short {
        Short {
            checkpoints: Some(Checkpoints {
                folder: folder.to_owned(),
                every: Duration::ZERO,
                snapshots: None,
            }),
            ..Short::on(backend)
        }
    }

    pub fn stopped_after(self, stop_after: u64) -> Short {
        Short { stop_after, ..self }
    }

    pub fn config(&self) -> TrainConfig {
        TrainConfig {
            architecture: PLAIN_8,
            recipe: self.recipe.clone(),
            seed: 5,
        }
    }

    /// Trains; also returns what was noted.
    pub fn train(&self) -> (Result<Trained>, Vec<String>) {
        let pictures = Pictures::new();
        let config = &self.config();
        let stop = AtomicBool::new(false);
        let mut notes = Vec::new();
        let mut env = TrainEnv {
            backend: self.backend,
            checkpoints: self.checkpoints.as_ref(),
            stop: &stop,
            observe: &mut |event| {
                if let TrainEvent::Note(note) = event {
                    notes.push(note);
                }
            },
        };
        let trained = if self.stop_after == u64::MAX {
            fit(config, pictures.data(), &mut env)
        } else {
            let mut training = Training::begin(config, pictures.data(), &mut env).unwrap();
            while training.progress.iteration < self.stop_after {
                assert!(!training.advance(&mut env).unwrap());
            }
            stop.store(true, Ordering::Relaxed);
            let stopped = training.run(&mut env);
            Err(stopped.expect_err("a training that was asked to stop stops"))
        };
        (trained, notes)
    }
}

/// Trains Plain-8 for 7 iterations.
fn short_training(edit: impl FnOnce(&mut Recipe)) -> Result<Trained> {
    let mut short = Short::on(Backend::Flex);
    edit(&mut short.recipe);
    short.recipe.snapshots = Snapshots::fitting(&short.recipe.schedule, None);
    short.train().0
}

pub fn bytes(trained: &Trained) -> Vec<u8> {
    weights::to_bytes(&PLAIN_8, &TrainedOn::default(), &trained.network).unwrap()
}

#[test]
fn an_epoch_ends_with_a_short_batch_and_training_stops_amid_one() {
    let trained = short_training(|_| {}).unwrap();
    let lines: Vec<(u64, u64)> = trained
        .metrics
        .iter()
        .map(|line| (line.iteration, line.epoch))
        .collect();
    // Three batches an epoch, of 10, 10 and 5 images; the seventh iteration begins the third.
    assert_eq!(lines, [(3, 0), (6, 1), (7, 2)]);
    // The first line covers the 25 images of a whole epoch, the last one a batch of 10.
    let wrong_images = |line: &Metrics, images: f64| line.train_error / 100.0 * images;
    for (line, images) in trained.metrics.iter().zip([25.0, 25.0, 10.0]) {
        let wrong = wrong_images(line, images);
        assert!(
            (wrong - wrong.round()).abs() < 1e-9,
            "{wrong} of {images} images"
        );
    }
    assert!(
        trained
            .metrics
            .iter()
            .all(|line| line.validation_error.is_none())
    );
}

#[test]
fn the_number_of_threads_leaves_no_trace_in_weights_and_metrics() {
    let on_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let trained = pool.install(|| short_training(|_| {})).unwrap();
        (bytes(&trained), trained.metrics)
    };
    let one = on_threads(1);
    assert!(one == on_threads(2));
    assert!(one == on_threads(3));
}

#[test]
fn a_training_that_diverges_stops_with_iteration_and_learning_rate() {
    let error = match short_training(|recipe| recipe.schedule.learning_rate = 1e30) {
        Ok(_) => panic!("a learning rate of 1e30 cannot work"),
        Err(error) => error.to_string(),
    };
    assert!(error.contains("there is no checkpoint yet"), "{error}");
    assert!(
        error.contains("diverged") && error.contains("learning rate 1e30"),
        "{error}"
    );
    assert!(error.contains("at iteration "), "{error}");
}

#[test]
fn weight_decay_reaches_every_parameter() {
    let shrunk = short_training(|recipe| {
        recipe.schedule.iterations = 1;
        recipe.weight_decay = 0.5;
    });
    let kept = short_training(|recipe| {
        recipe.schedule.iterations = 1;
        recipe.weight_decay = 0.0;
    });
    let states = [shrunk, kept].map(|trained| weights::state(&trained.unwrap().network).unwrap());
    let device = Backend::Flex.open().unwrap();
    let initial = weights::state(&ResNet::new(&PLAIN_8, 5, &device)).unwrap();
    // One step from the same start: w − η (g + λ w) against w − η g.
    for (name, start) in initial
        .iter()
        .filter(|(name, _)| !name.contains("running_"))
    {
        for (index, start) in start.values.iter().enumerate() {
            let difference = states[1][name].values[index] - states[0][name].values[index];
            assert!(
                (difference - 0.1 * 0.5 * start).abs() < 1e-5,
                "{name} {index}: {difference}"
            );
        }
    }
}

#[test]
fn a_training_stopped_after_any_iteration_goes_on_to_the_same_bytes() {
    for backend in tested() {
        let whole = Short::on(backend).train().0.unwrap();
        for stop_after in 1..=7 {
            let folder = testing::folder();
            let short = Short::with_checkpoints(backend, folder.path());
            let (stopped, _) = short.stopped_after(stop_after).train();
            let error = stopped.err().unwrap();
            let interrupted = error.downcast_ref::<InterruptedTraining>().unwrap();
            assert_eq!(
                (interrupted.iteration, interrupted.kept),
                (stop_after, true)
            );

            let (resumed, notes) = Short::with_checkpoints(backend, folder.path()).train();
            let resumed = resumed.unwrap();
            let said = format!("resumes after iteration {stop_after} of 7, from a checkpoint");
            assert_eq!(notes, [said]);
            assert_eq!(resumed.metrics, whole.metrics, "{backend}, {stop_after}");
            assert!(bytes(&resumed) == bytes(&whole), "{backend}, {stop_after}");
        }
    }
}

#[test]
fn a_training_goes_on_in_the_warm_up_or_after_it_as_it_was_stopped() {
    let warming = |folder: Option<&Path>| {
        let mut short = match folder {
            Some(folder) => Short::with_checkpoints(Backend::Flex, folder),
            None => Short::on(Backend::Flex),
        };
        if let Some(checkpoints) = &mut short.checkpoints {
            // Only the one of the stop.
            checkpoints.every = Duration::MAX;
        }
        // The first window ends the warm-up, however bad it was.
        short.recipe.schedule.warm_up = WarmUp::UntilError {
            learning_rate: 0.001,
            train_error: 99.9,
        };
        short.recipe.schedule.iterations = WINDOW + 4;
        short.recipe.evaluate_every = WINDOW;
        short
    };
    let whole = warming(None).train().0.unwrap();
    let rates: Vec<f64> = whole
        .metrics
        .iter()
        .map(|line| line.learning_rate)
        .collect();
    assert_eq!(rates, [0.001, 0.1]);
    for stop_after in [WINDOW - 1, WINDOW, WINDOW + 2] {
        let folder = testing::folder();
        let stopped = warming(Some(folder.path()))
            .stopped_after(stop_after)
            .train();
        assert!(stopped.0.is_err());
        let resumed = warming(Some(folder.path())).train().0.unwrap();
        assert_eq!(resumed.metrics, whole.metrics, "{stop_after}");
        assert!(bytes(&resumed) == bytes(&whole), "{stop_after}");
    }
}

#[test]
fn a_damaged_checkpoint_is_skipped_with_a_word_for_the_one_before_it() {
    let whole = Short::on(Backend::Flex).train().0.unwrap();
    let folder = testing::folder();
    let short = || Short::with_checkpoints(Backend::Flex, folder.path());
    short().stopped_after(5).train().0.err().unwrap();
    let all = checkpoint::list(folder.path()).unwrap();
    let iterations: Vec<u64> = all.iter().map(|(iteration, _)| *iteration).collect();
    assert_eq!(iterations, [5, 4]);
    let newest = std::fs::read(&all[0].1).unwrap();
    std::fs::write(&all[0].1, &newest[..newest.len() - 1]).unwrap();

    let (resumed, notes) = short().train();
    assert!(
        notes[0].contains("checkpoint-000000005.safetensors skipped: "),
        "{notes:?}"
    );
    assert_eq!(
        notes[1],
        "resumes after iteration 4 of 7, from a checkpoint"
    );
    assert!(bytes(&resumed.unwrap()) == bytes(&whole));
}

#[test]
fn a_checkpoint_from_beyond_the_end_is_refused() {
    let folder = testing::folder();
    let short = || Short::with_checkpoints(Backend::Flex, folder.path());
    short().stopped_after(2).train().0.err().unwrap();
    let (_, newest) = checkpoint::list(folder.path()).unwrap().remove(0);
    let mut altered = Checkpoint::read(&newest).unwrap();
    altered.progress.iteration = 8;
    let checkpoints = short().checkpoints.unwrap();
    checkpoints.write(&altered).unwrap();
    let error = short().train().0.err().unwrap().to_string();
    assert!(error.contains("8 of 7 iterations are done"), "{error}");
}

#[test]
fn where_no_checkpoint_is_whole_training_begins_anew_and_keeps_its_own() {
    let folder = testing::folder();
    let short = || Short::with_checkpoints(Backend::Flex, folder.path());
    short().stopped_after(6).train().0.err().unwrap();
    for (_, path) in checkpoint::list(folder.path()).unwrap() {
        std::fs::write(path, "torn").unwrap();
    }
    // The torn ones have higher numbers, and must not push out the new ones.
    let (stopped, notes) = short().stopped_after(3).train();
    assert!(stopped.is_err());
    assert_eq!(notes.len(), 2, "{notes:?}");
    let left = checkpoint::list(folder.path()).unwrap().into_iter();
    assert_eq!(
        left.map(|(iteration, _)| iteration).collect::<Vec<_>>(),
        [3, 2]
    );
    assert!(folder.path().join("checkpoint-000000006.unusable").exists());
}

#[test]
fn a_checkpoint_that_cannot_be_written_stops_nothing_until_it_is_the_last() {
    let folder = testing::folder();
    std::fs::create_dir(folder.path().join("checkpoint.partial")).unwrap();
    let short = || Short::with_checkpoints(Backend::Flex, folder.path());
    let (trained, notes) = short().train();
    assert!(trained.is_ok());
    assert!(
        notes[0].contains("cannot write the checkpoint"),
        "{notes:?}"
    );
    let error = short().stopped_after(2).train().0.err().unwrap();
    assert!(
        error.to_string().contains("cannot write the checkpoint"),
        "{error}"
    );
}

#[test]
fn a_training_without_end_has_no_end_in_event_but_no_overflow() {
    let mut meter = ProgressMeter::new(&recipe(u64::MAX));
    assert!(meter.take(1, None).seconds_left > 1e18);
}

#[test]
fn a_checkpoint_of_another_training_is_skipped_with_what_differs() {
    let folder = testing::folder();
    let short = || Short::with_checkpoints(Backend::Flex, folder.path());
    short().stopped_after(5).train().0.err().unwrap();
    let mut other = short();
    other.recipe.momentum = 0.8;
    let (trained, notes) = other.train();
    assert_eq!(notes.len(), 2, "{notes:?}");
    let said = "of another training: recipe.momentum is 0.9 there and 0.8 here";
    assert!(notes[0].contains(said), "{notes:?}");
    let alone = short_training(|recipe| recipe.momentum = 0.8).unwrap();
    assert!(bytes(&trained.unwrap()) == bytes(&alone));
}

#[test]
fn a_training_that_diverges_names_its_last_good_checkpoint() {
    let folder = testing::folder();
    let mut short = Short::with_checkpoints(Backend::Flex, folder.path());
    short.recipe.schedule.learning_rate = 1e30;
    let error = short.train().0.err().unwrap().to_string();
    // The first step leaves finite weights, and they no finite outcome.
    assert!(error.contains("checkpoint is of iteration 1 ("), "{error}");
    assert!(
        error.contains("the loss is NaN at iteration 1 with"),
        "{error}"
    );
}

#[test]
fn each_image_is_shown_once_in_an_epoch_with_the_epochs_own_variation() {
    // What the loop feeds the network, by its own functions: the indices of each batch.
    let recipe = recipe(9);
    let train = images(25);
    for epoch in 0..3 {
        let shuffled = order(5, epoch, train.len());
        let mut seen: Vec<usize> = Vec::new();
        for iteration in 3 * epoch..3 * epoch + 3 {
            let (of, batch) = position(iteration, &train, &recipe);
            assert_eq!(of, epoch);
            let start = batch as usize * 10;
            seen.extend(&shuffled[start..train.len().min(start + 10)]);
        }
        assert_eq!(seen, shuffled);
        seen.sort_unstable();
        assert_eq!(seen, (0..25).collect::<Vec<_>>());
    }
    assert_ne!(order(5, 0, 25), order(5, 1, 25));
}

#[test]
fn sixty_four_thousand_iterations_end_amid_epoch_182() {
    // 45,000 images: 351 batches of 128 and one of 72 (PAPER.md).
    let mut recipe = recipe(64_000);
    recipe.batch_size = 128;
    let mut all = Images::default();
    for _ in 0..45_000 {
        all.push(0, &[0; cifar::IMAGE]).unwrap();
    }
    assert_eq!(position(351, &all, &recipe), (0, 351));
    assert_eq!(position(352, &all, &recipe), (1, 0));
    // Counted from 0, so the 182nd epoch is number 181, and 288 of its 352 batches are trained on.
    assert_eq!(position(63_999, &all, &recipe), (181, 287));
}
