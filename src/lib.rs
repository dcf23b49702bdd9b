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
//!                 └─► store ◄── commit  steps ──► nn
//!                     results by key    the work  networks, training
//! ```
//!
//! A [`pipeline`] file is checked once and gives an experiment per profile. [`plan`] makes the
//! graph of it: download → preprocess → train/model/seed → evaluate/model/seed → aggregate →
//! plot and table. Each step's [`key`] is the hash of all that its result depends on: parameters,
//! the code and crates that it reaches, backend, and the *content* of its inputs. What code that is
//! was found when the binary was built: `build.rs` parses `src/` and `kernels/` (see
//! `build/fingerprint/mod.rs`) and compiles its findings in as [`fingerprint`]. The [`store`] keeps one manifest per key, and
//! the outputs by their content's address. A step whose key the store knows is up to date; of any
//! other the plan says why it must or may run, by comparing its key inputs with those of an earlier
//! result. [`run`] carries the plan out: a step gets a process of its own (`fig6 exec`, a function
//! of [`steps`]), which writes into a working folder; the parent alone commits. A step that runs
//! again and makes the same bytes leaves all keys behind it as they were, so nothing behind it
//! runs.
//!
//! What comes out can be held against what was published. [`pipeline`] has the claims, [`statistics`]
//! turns runs into verdicts, a report carries its provenance, and [`verify`] says whether all of it still
//! holds: this code, these artifacts, these numbers, also where a README repeats them.
//!
//! A training keeps checkpoints in its working folder, which belongs to its key: stopped or killed, it
//! goes on from there to the same bytes. [`standalone`] is the same training without a graph, in a
//! folder of its own; [`foreign`] reads weights that other programs have trained.
//!
//! # Code map
//!
//! | module | what it is about | what it does not know |
//! |---|---|---|
//! | [`pipeline`] | `pipeline.ron`, checked; profiles with their overrides applied; claims | steps' files, keys, the store |
//! | [`plan`] | the graph, what must run, why, and how long it takes | processes, how steps work |
//! | [`project`] | an experiment with its graph, store and backend | how a user names them |
//! | [`reproduce`] | one request to reproduce: its passes, the report | the terminal, signals |
//! | [`key`], [`fingerprint`] | keys; the code's part in them, as `build.rs` found it | the graph, files |
//! | `build/` | what code and which crates a kind of step reaches | disk, cargo, what steps do |
//! | [`store`] | objects, manifests, locks, durable writes, an index; what is damaged or of no more use | the graph, what steps do |
//! | [`run`] | scheduler, executors, the step's process, events | what steps do, the terminal |
//! | [`steps`] | download, preprocess, train, evaluate, aggregate, plot, table | store, graph, profiles |
//! | [`nn`] | networks, initial weights, augmentation, schedule, training, checkpoints, devices | pipelines, stores, steps |
//! | `kernels/` | layers' arithmetic on CPUs, on plain slices; a crate of its own | burn, networks, everything else |
//! | [`standalone`] | one training by itself; weights from a file to a network or another file | pipelines, graphs, keys |
//! | [`foreign`] | weights in files of PyTorch and others: formats, names | networks that compute, images |
//! | [`cifar`], [`results`] | images and records in which steps hand results on | everything else |
//! | [`report`] | figures, tables and their provenance in `reports/<profile>/` | how they are made |
//! | [`bundle`] | a report with what it rests on in one file | what steps mean, whether it is right |
//! | [`statistics`] | evidence and verdicts: tests, margins, seeds that are missing | pipelines, results, files |
//! | [`verify`] | lock; integrity (a corrupt object); claims (a verdict, in [`verify::judge`]); steps once more; numbers in documents | the terminal |
//! | [`cli`] | arguments, terminal, exit codes, files that a user names | – |
//! | `crates/markdown` | plain text and tables, escaped | everything else |
//! | `crates/testing` | what the tests of all crates share: folders, amounts, waiting | fig6 |
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
//! | Which learning rate has iteration t? | `crates/nn/src/schedule.rs` (`learning_rate`) |
//! | What may stand in `pipeline.ron`? | `pipeline/file.rs`; a recipe's limits are in `crates/nn/src/recipe.rs` |
//!
//! # Invariants
//!
//! 1. Nothing changed: nothing runs, and only manifests and file stats are read.
//! 2. Same key, same bytes: with any number of threads or jobs, interrupted or not. No clock, host,
//!    path or order of arrival enters an artifact; random draws are addressed by what they are for.
//! 3. A key holds what a step reads, and nothing else: no time stamps, no paths, no job counts. Code
//!    that cannot be followed counts as reached.
//! 4. A step's process never writes to the store, dies with its parent, and its result is committed
//!    whole or not at all, after its inputs were seen to be what they were when it began.
//! 5. Objects are never changed; a damaged one is noticed, set aside and made again. A file has its
//!    final name only once it is whole and flushed; a manifest comes after all that it names, and goes
//!    before it.
//! 6. What is missing never passes: a verification is green only if something was shown, and all of it.
//! 7. The library never prints; only [`cli`] does, and only it knows clap. An exit code does not depend on
//!    who reads, and no text from outside reaches a terminal, a table or a figure unescaped.
//! 8. Only [`nn`] names burn, only `nn::device` and `nn::kernels` name backends, only the plot names
//!    plotters.
//! 9. Imports go one way; `tests/architecture.rs` holds the `use crate::` lines against a table.

mod any_path;
pub mod bundle;
pub mod cli;
pub mod error;
pub mod fingerprint;
pub mod pipeline;
pub mod plan;
pub mod project;
pub mod report;
pub mod reproduce;
pub mod run;
pub mod standalone;
pub mod steps;
pub mod verify;
