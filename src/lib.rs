//! fig6 reproduces section 4.2 (CIFAR-10) of "Deep Residual Learning for Image Recognition"
//! (He, Zhang, Ren and Sun 2015): from raw images to Fig. 6 and a table of test errors, as a graph
//! of steps of which only those run whose result is not there yet.
//!
//! # Bird's-eye view
//!
//! ```text
//! pipeline ──► plan ──────────► run ─────────────► report ─────────────► verify
//! what to      which steps,     what must run,     figures and tables,   does it
//! train        keys, reasons    a process each     with provenance       still hold?
//!                 │                │    │
//!                 │                ▼    ▼
//!                 └─► store ◄── commit  crates/steps ──► nn ──► kernels
//!                     results by key    the work         networks, training
//! ```
//!
//! A [`pipeline`] file is checked once and gives an experiment per profile. [`plan`] makes the
//! graph of it: download → preprocess → train/model/seed → evaluate and responses/model/seed →
//! aggregate → plots and table. Each step's key ([`store::key`]) is the hash of all that its result depends on:
//! parameters, code and packages ([`fingerprint`]), backend, and the *content* of its inputs. The
//! [`store`] keeps one manifest per key, and the outputs by their content's address. A step whose key
//! the store knows is up to date; of any other the plan says why it must or may run, by comparing its
//! key inputs with those of an earlier result. [`run`] carries the plan out: a step gets a process of
//! its own (`fig6 exec`), here or as a job of Slurm ([`run::slurm`]), which writes into a working folder; the
//! parent alone commits. A step that
//! runs again and makes the same bytes leaves all keys behind it as they were, so nothing behind it
//! runs.
//!
//! The program is this package. Everything that a step's result depends on is a crate below `crates/`:
//! one for each kind of step, and what they depend on. So a step's code is what cargo says it is, and
//! the compiler refuses a line that reaches outside of it. `build.rs` digests the files of those crates
//! and joins them with `Cargo.lock` (`build/fingerprint/mod.rs` says what counts).
//!
//! What comes out can be held against what was published. [`pipeline`] has the claims, [`judge`] turns
//! runs into verdicts by [`statistics`], [`page`] shows them with all else, a report carries its
//! provenance, and [`verify`] says whether all of it still holds: this code, these artifacts, these numbers, also where a README repeats them.
//!
//! A training keeps checkpoints in its working folder, which belongs to its key: stopped or killed, it
//! goes on from there to the same bytes. With its result it leaves snapshots of its state and a trace of
//! digests: where only code has changed, a replay of a few iterations ([`run::replay`]) shows whether the
//! result holds, and it is carried over to the new key. [`standalone`] is the same training without a graph, in a
//! folder of its own; [`weight_files`] reads weights that other programs have trained.
//!
//! # Code map
//!
//! | module | what it is about | what it does not know |
//! |---|---|---|
//! | [`pipeline`] | `pipeline.ron`, checked; profiles with their overrides applied; claims | steps' files, keys, the store |
//! | [`plan`] | the graph, what must run, why, and how long it takes | processes, how steps work |
//! | [`fingerprint`] | what `build.rs` found: the code's part in keys | the graph, files |
//! | [`project`] | an experiment with its graph, store and backend | how a user names them |
//! | [`remote`] | a project's results to and from a store elsewhere, step by step | what lies where in it, the terminal |
//! | [`reproduce`] | one request to reproduce: its passes, the report | the terminal, signals |
//! | [`run`] | scheduler, executors, the step's process, events | what steps do, the terminal |
//! | [`steps`] | the closed set of kinds of steps, and what each is told | how they work |
//! | [`standalone`] | one training by itself; weights from a file to a network or another file | pipelines, graphs, keys |
//! | [`judge`] | claims against results: a verdict on each, and why | where results come from |
//! | [`page`] | a report as one HTML file, from plain data; the live one too | files, runs, the terminal |
//! | [`report`] | figures, tables, the page and their provenance in `reports/<profile>/` | how results are made |
//! | [`bundle`] | a report with what it rests on in one file | what steps mean, whether it is right |
//! | [`verify`] | lock; integrity; claims; trainings in part and steps once more; numbers in documents | the terminal |
//! | [`watch`] | the page, live, for browsers on this machine | what it shows, the terminal, signals |
//! | [`cli`] | arguments, terminal, exit codes, files that a user names | – |
//!
//! | crate | what it is about | what it does not know |
//! |---|---|---|
//! | `step` | the contract between a step and what runs it | what steps do |
//! | `steps/…` | download, preprocess, train, evaluate, responses, aggregate, plot, table | store, graph, profiles, each other |
//! | `nn` | networks, initial weights, augmentation, schedule, training, responses, checkpoints, devices | pipelines, stores, steps |
//! | `kernels` | layers' arithmetic on CPUs, on plain slices | burn, networks |
//! | `cifar`, `records` | images; records that steps hand on | everything else |
//! | `summary` | runs over their seeds | how numbers come about and are shown |
//! | `random`, `sha256`, `markdown` | draws addressed by what they are for; digests of archives; tables | everything else |
//! | [`store`] | keys, objects, manifests, locks, durable writes; what is damaged or of no more use | the graph, what steps do |
//! | [`remote_store`] | a store elsewhere: layout, transfers, checks, collections of garbage | the graph, what steps do |
//! | [`statistics`] | evidence and verdicts: tests, margins, seeds that are missing | pipelines, results, files |
//! | [`weight_files`] | weights in files of PyTorch and others: formats, names | networks that compute, data sets |
//! | `testing` | what the tests of all crates share: folders, amounts, waiting | fig6 |
//!
//! # Where to look
//!
//! | question | file |
//! |---|---|
//! | How do the options become a plan? | `cli/reproduce.rs`, then `reproduce.rs` (`Reproduction::plan`) |
//! | Which steps does an experiment have? | `plan/from_experiment.rs` |
//! | Where is the key of a training made? | `plan/keys.rs` (`Bases::key_inputs`), hashed in `crates/store/src/key.rs` |
//! | What is up to date, and where does a wave stop (early cutoff)? | `plan/assess.rs` (`assess_step`); during a run `run/scheduler.rs` (`assess`) |
//! | How is a step computed and committed? | `run/job.rs`, `run/child.rs` |
//! | Which of several ready steps begins first? | `steps.rs` (`Params::turn`) |
//! | What happens to a job of Slurm, and when is it submitted again? | `run/slurm/executor.rs` (`follow`), `run/slurm/verdict.rs` |
//! | Which learning rate has iteration t? | `crates/nn/src/schedule.rs` (`learning_rate`) |
//! | Where is a corrupt object noticed? | `crates/store/src/lookup.rs` (`Store::lookup`), by the stats and digests of `objects.rs` |
//! | Where is a verdict decided? | `judge.rs`, then `crates/statistics/src/decide.rs` |
//! | Which earlier training may be carried over? | `plan/carry.rs` (`carriable`), done in `run/job.rs` (`carry_over`) |
//! | Where does a training that is computed again differ? | `run/replay.rs` (`Kept::difference`), by `crates/nn/src/trace.rs` |
//! | May other bytes of a training be its GPU's? | `verify/two_runs.rs` (`excuse`), measured in `crates/nn/src/fit/two_runs.rs` |
//! | Which results does a remote give, and when is it asked? | `remote.rs` (`pull`), during a run `run/scheduler/elsewhere.rs` (`ask_remote`) |
//! | When does what a remote has count? | `crates/remote-store/src/fetch.rs` |
//! | What does a live page show of a training under way? | `watch/observer.rs`, `watch/curves.rs` |
//! | What may stand in `pipeline.ron`? | `pipeline/file.rs`; a recipe's limits are in `crates/nn/src/recipe.rs` |
//!
//! # Invariants
//!
//! 1. Nothing changed: nothing runs, and only manifests and file stats are read.
//! 2. Same key, same bytes: with any number of threads or jobs, interrupted or not. No clock, host,
//!    path or order of arrival enters an artifact; random draws are addressed by what they are for.
//! 3. A key holds what a step reads, and nothing else: no time stamps, no paths, no job counts. Every file
//!    of every crate that a step depends on counts, but for tests and other backends, and no other.
//! 4. A step's process never writes to the store, dies with its parent or lives by its ticket (a job of Slurm),
//!    and its result is committed whole or not at all, after its inputs were seen to be what they were when it began.
//! 5. Objects are never changed; a damaged one is noticed, set aside and made again. A file has its
//!    final name only once it is whole and flushed; a manifest comes after all that it names, and goes
//!    before it.
//! 6. What is missing never passes: a verification is green only if something was shown, and all of it.
//! 7. The library never prints; only [`cli`] does, and only it knows clap. An exit code does not depend on
//!    who reads, and no text from outside reaches a terminal, a table or a figure unescaped.
//! 8. Only `nn` names burn, only `nn::device` and `nn::kernels` name backends, only the plot names
//!    plotters.
//! 9. Crates depend on each other as their manifests say. Within the program imports go one way;
//!    `tests/architecture.rs` holds the `use crate::` lines against a table.

mod any_path;
pub mod bundle;
pub mod cli;
pub mod error;
pub mod fingerprint;
pub mod judge;
pub mod page;
pub mod pipeline;
pub mod plan;
pub mod project;
pub mod remote;
pub mod report;
pub mod reproduce;
pub mod run;
pub mod standalone;
pub mod steps;
pub mod verify;
pub mod watch;
