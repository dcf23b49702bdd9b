//! Steps that compute on several GPUs of this machine at once. A step that fails on one of them is tried on
//! another, and a GPU that fails again and again is left alone.

use std::fs;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::executor::{Executor, Stopped};
use super::task::{Finished, Task};
use nn::device::Backend;
use step::Progress;

/// How often a GPU may fail in a row.
const FAILURES: u32 = 2;

/// GPUs, and what runs the processes that compute on them.
#[derive(Debug)]
pub struct Gpus<E> {
    processes: E,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    gpus: Vec<Gpu>,
    ending: bool,
}

#[derive(Debug)]
struct Gpu {
    device: Backend,
    /// Steps that it may compute beside those that it does.
    free: usize,
    /// In a row.
    failures: u32,
}

impl Gpu {
    fn is_left_alone(&self) -> bool {
        self.failures >= FAILURES
    }
}

impl<E: Executor> Gpus<E> {
    /// Computes on these devices, up to so many steps at once on each.
    pub fn new(processes: E, devices: &[Backend], steps: usize) -> Gpus<E> {
        let gpus = devices.iter().map(|&device| Gpu {
            device,
            free: steps,
            failures: 0,
        });
        Gpus {
            processes,
            state: Mutex::new(State {
                gpus: gpus.collect(),
                ending: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counts are changed by single assignments.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the GPU with most room on which this step was not tried yet; nothing if there is none.
    fn take(&self, tried: &[Backend]) -> Result<Option<Backend>> {
        let mut state = self.state();
        loop {
            if state.ending {
                return Err(Stopped::Interrupted.into());
            }
            let mut left = state.gpus.iter_mut();
            let mut left: Vec<&mut Gpu> = left
                .by_ref()
                .filter(|gpu| !gpu.is_left_alone() && !tried.contains(&gpu.device))
                .collect();
            if left.is_empty() {
                return Ok(None);
            }
            // The first of those with most room.
            left.sort_by_key(|gpu| std::cmp::Reverse(gpu.free));
            if left[0].free > 0 {
                left[0].free -= 1;
                return Ok(Some(left[0].device));
            }
            let waited = self.changed.wait_timeout(state, Duration::from_secs(1));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Gives a GPU back after a success or a failure; returns whether it is left alone from now on.
    fn give_back(&self, device: Backend, failed: bool) -> bool {
        let mut state = self.state();
        let mut gpus = state.gpus.iter_mut();
        let alone = gpus.find(|gpu| gpu.device == device).is_some_and(|gpu| {
            gpu.free += 1;
            gpu.failures = if failed { gpu.failures + 1 } else { 0 };
            gpu.is_left_alone()
        });
        self.changed.notify_all();
        alone
    }
}

impl<E: Executor> Executor for Gpus<E> {
    fn run(
        &self,
        folder: &Path,
        log: &Path,
        threads: usize,
        report: &mut dyn FnMut(Progress),
    ) -> Result<Finished> {
        let mut task = Task::read(folder)?;
        if !task.params.is_numeric() {
            return self.processes.run(folder, log, threads, report);
        }
        let mut tried = Vec::new();
        let mut last = None;
        while let Some(device) = self.take(&tried)? {
            task.environment.device = device.to_string();
            let ran = task
                .write(folder)
                .and_then(|()| self.processes.run(folder, log, threads, report));
            let failed = ran.as_ref().is_err_and(|error| !error.is::<Stopped>());
            let alone = self.give_back(device, failed);
            let error = match ran {
                Err(error) if failed => error.context(format!("on {device}")),
                ended => return ended,
            };
            let then = if alone {
                ", which is left alone now"
            } else {
                ""
            };
            report(Progress::Note(format!("failed {error:#}{then}")));
            tried.push(device);
            last = Some(error);
            clear(&folder.join("out"))?;
        }
        match last {
            Some(error) => Err(error),
            None => {
                bail!("every GPU has failed {FAILURES} times in a row, so none is used any longer")
            }
        }
    }

    fn is_at_work(&self, folder: &Path) -> Result<bool> {
        self.processes.is_at_work(folder)
    }

    fn stop(&self) {
        self.state().ending = true;
        self.changed.notify_all();
        self.processes.stop();
    }

    fn kill(&self) {
        self.state().ending = true;
        self.changed.notify_all();
        self.processes.kill();
    }
}

/// Removes what a failed process has written; its checkpoints stay.
fn clear(folder: &Path) -> Result<()> {
    let cannot = || format!("cannot clear {}", folder.display());
    fs::remove_dir_all(folder).with_context(cannot)?;
    fs::create_dir(folder).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::plan::Bases;
    use crate::steps::{Environment, Params};

    /// Pretended GPUs: the process fails on those that are broken, as often as they are.
    struct Pretended {
        broken: BTreeMap<&'static str, Arc<AtomicUsize>>,
        /// The device of each process that came to its end.
        used: Mutex<Vec<String>>,
        at_once: Mutex<BTreeMap<String, usize>>,
        most_at_once: AtomicUsize,
    }

    impl Pretended {
        fn new(broken: &[(&'static str, usize)]) -> Pretended {
            let broken = broken.iter();
            Pretended {
                broken: broken
                    .map(|&(device, times)| (device, Arc::new(AtomicUsize::new(times))))
                    .collect(),
                used: Mutex::default(),
                at_once: Mutex::default(),
                most_at_once: AtomicUsize::new(0),
            }
        }
    }

    impl Executor for Pretended {
        fn run(
            &self,
            folder: &Path,
            _log: &Path,
            threads: usize,
            _report: &mut dyn FnMut(Progress),
        ) -> Result<Finished> {
            let device = Task::read(folder)?.environment.device;
            {
                let mut at_once = self.at_once.lock().unwrap();
                let count = at_once.entry(device.clone()).or_default();
                *count += 1;
                self.most_at_once.fetch_max(*count, Ordering::Relaxed);
            }
            std::thread::yield_now();
            let leftover = folder.join("out/half");
            assert!(!leftover.exists(), "what a failed process wrote is gone");
            *self.at_once.lock().unwrap().get_mut(&device).unwrap() -= 1;
            if let Some(times) = self.broken.get(&*device)
                && times.load(Ordering::Relaxed) > 0
            {
                times.fetch_sub(1, Ordering::Relaxed);
                fs::write(leftover, "half").unwrap();
                bail!("out of memory");
            }
            self.used.lock().unwrap().push(device);
            Ok(Finished {
                summary: String::new(),
                work_seconds: 0.0,
                host: String::new(),
                cpu: String::new(),
                threads,
                seconds: None,
            })
        }

        fn is_at_work(&self, _folder: &Path) -> Result<bool> {
            Ok(false)
        }

        fn stop(&self) {}

        fn kill(&self) {}
    }

    const TWO: [Backend; 2] = [Backend::Cuda(0), Backend::Cuda(1)];

    /// A working folder with an evaluation to compute.
    fn folder() -> tempfile::TempDir {
        let folder = testing::folder();
        fs::create_dir(folder.path().join("out")).unwrap();
        let architecture = serde_json::from_str("{\"n\":1,\"shortcut\":\"none\"}");
        let params = Params::Evaluate(evaluate::Params {
            architecture: architecture.unwrap(),
        });
        let key_inputs = Bases::only(&Backend::Flex).key_inputs(&params, BTreeMap::new(), None);
        let task = Task {
            step: "evaluate/plain8/seed0".to_owned(),
            key: key_inputs.key(),
            params,
            inputs: BTreeMap::new(),
            key_inputs,
            environment: Environment::default(),
            replay: Vec::new(),
        };
        task.write(folder.path()).unwrap();
        folder
    }

    fn run<E: Executor>(gpus: &Gpus<E>, notes: &mut Vec<String>) -> Result<Finished> {
        let folder = folder();
        let path = folder.path();
        gpus.run(path, &path.join("log"), 1, &mut |progress| {
            if let Progress::Note(note) = progress {
                notes.push(note);
            }
        })
    }

    #[test]
    fn steps_are_spread_over_all_gpus_and_never_more_at_once_than_allowed() {
        for steps in [1, 3] {
            let gpus = Gpus::new(Pretended::new(&[]), &TWO, steps);
            std::thread::scope(|scope| {
                for _ in 0..40 {
                    scope.spawn(|| run(&gpus, &mut Vec::new()).unwrap());
                }
            });
            let used = gpus.processes.used.lock().unwrap();
            assert_eq!(used.len(), 40);
            assert!(used.iter().any(|device| device == "cuda:0"));
            assert!(gpus.processes.most_at_once.load(Ordering::Relaxed) <= steps);
        }
        // One after the other: each finds both free.
        let gpus = Gpus::new(Pretended::new(&[]), &TWO, 1);
        let held = gpus.take(&[]).unwrap().unwrap();
        run(&gpus, &mut Vec::new()).unwrap();
        assert_eq!(held, Backend::Cuda(0));
        assert_eq!(*gpus.processes.used.lock().unwrap(), ["cuda:1"]);
    }

    #[test]
    fn a_step_that_fails_on_one_gpu_goes_to_another_and_a_broken_gpu_is_left_alone() {
        let gpus = Gpus::new(Pretended::new(&[("cuda:0", 100)]), &TWO, 1);
        let mut notes = Vec::new();
        for _ in 0..4 {
            run(&gpus, &mut notes).unwrap();
        }
        assert_eq!(
            notes,
            [
                "failed on cuda:0: out of memory",
                "failed on cuda:0: out of memory, which is left alone now"
            ]
        );
        assert_eq!(*gpus.processes.used.lock().unwrap(), ["cuda:1"; 4]);
    }

    #[test]
    fn a_step_that_fails_everywhere_fails_with_the_cause_and_a_success_forgives() {
        let gpus = Gpus::new(Pretended::new(&[("cuda:0", 1), ("cuda:1", 1)]), &TWO, 1);
        let mut notes = Vec::new();
        let error = run(&gpus, &mut notes).unwrap_err();
        assert_eq!(format!("{error:#}"), "on cuda:1: out of memory");
        for _ in 0..3 {
            run(&gpus, &mut notes).unwrap();
        }
        assert_eq!(notes.len(), 2);

        let broken = [("cuda:0", 9), ("cuda:1", 9)];
        let gpus = Gpus::new(Pretended::new(&broken), &TWO, 1);
        for _ in 0..2 {
            assert!(run(&gpus, &mut notes).is_err());
        }
        let error = run(&gpus, &mut notes).unwrap_err().to_string();
        assert!(error.starts_with("every GPU has failed"), "{error}");
    }

    #[test]
    fn an_interruption_is_no_failure_of_a_gpu() {
        let gpus = Gpus::new(Pretended::new(&[]), &TWO, 1);
        gpus.stop();
        let error = run(&gpus, &mut Vec::new()).unwrap_err();
        assert!(error.is::<Stopped>());
    }
}
