//! `fig6 explain`: why a step runs or does not, from its key inputs to the root of a change.

use anyhow::Result;
use clap::Args;

use super::Where;
use super::out::Out;
use super::terminal::{Paint, paint};
use super::view::{REASONS_SHOWN, offer_in_words, running_in_words, shortened_list};
use crate::plan::{Cause, Compared, Explanation};
use crate::run;
use store::key::shortened;

/// Steps with the same cause that are named; more are only counted.
const STEPS_SHOWN: usize = 3;

#[derive(Args, Debug)]
pub struct Arguments {
    /// The step's name.
    step: String,
    #[command(flatten)]
    place: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, out: &mut Out) -> Result<()> {
    let project = arguments.place.open()?;
    let id = project.graph.named(&arguments.step)?;
    let plan = project.assess(&project.graph.needed(&[id]))?;
    let explanation = project.planner().explain(id, &plan)?;
    project.save_index();
    if arguments.json {
        out.json_line(&explanation);
    } else {
        out.result(&in_words(&explanation));
    }
    Ok(())
}

/// The whole explanation as text.
fn in_words(explanation: &Explanation) -> String {
    let step = paint(Paint::Bold, &explanation.step);
    let mut lines = match &explanation.running {
        Some(running) => {
            let process = running_in_words(running, &run::host());
            vec![format!("{step}: running, {process}")]
        }
        None => vec![format!("{step}: {}", explanation.state.replace('-', " "))],
    };
    lines.extend(
        explanation
            .reasons
            .iter()
            .map(|reason| format!("  {reason}")),
    );
    if let Some(offer) = &explanation.replay {
        lines.push(format!("  {}", offer_in_words(offer)));
    }
    if explanation.state == "up-to-date" {
        lines.push("  nothing that it depends on has changed since its result was made".to_owned());
    }
    // Steps that only pass on what happens before them explain nothing.
    let roots = explanation
        .causes
        .iter()
        .filter(|cause| cause.state != "may-run");
    let roots: Vec<String> = roots.flat_map(cause).collect();
    if !roots.is_empty() {
        lines.push("because, upstream".to_owned());
        lines.extend(roots);
    }
    if let Some(earlier) = &explanation.compared_with {
        lines.push(compared(earlier, explanation.state));
    }
    lines.push(format!(
        "key inputs, kind {}",
        explanation.key_inputs.basis.kind
    ));
    lines.extend(key_inputs(explanation));
    let key = explanation.key.map(|key| key.to_string());
    lines.push(format!(
        "key {}",
        key.as_deref()
            .unwrap_or("open: it needs the content of all inputs")
    ));
    lines.join("\n") + "\n"
}

fn cause(cause: &Cause) -> Vec<String> {
    let steps = shortened_list(&cause.steps, STEPS_SHOWN);
    let what = match cause.state {
        "changed" => "made other bytes than before",
        "unknown" => {
            "made other bytes than before; what it made them from then is not known any more"
        }
        _ if cause.running.len() == cause.steps.len() => "running",
        _ => "must run",
    };
    let mut lines = vec![format!("  {steps} {what}")];
    lines.extend(cause.reasons.iter().map(|reason| format!("    {reason}")));
    if !cause.running.is_empty() && cause.running.len() < cause.steps.len() {
        lines.push(format!("    running: {}", cause.running.join(", ")));
    }
    if cause.state == "changed" && cause.reasons.is_empty() {
        lines.push(
            "    nothing had changed, and other bytes came out: it is not deterministic".to_owned(),
        );
    }
    lines
}

fn compared(earlier: &Compared, state: &str) -> String {
    let Compared { key, backend, run } = earlier;
    let what = if state == "up-to-date" {
        "made"
    } else {
        "compared with the result made"
    };
    let by = backend
        .as_ref()
        .map_or_else(String::new, |backend| format!(" by {backend}"));
    let because = match shortened_list(&run.because, REASONS_SHOWN) {
        because if because.is_empty() => because,
        because => format!(", because: {because}"),
    };
    format!(
        "{what} at {}{by} on {} in {:.1} s{because} (key {})",
        run.started,
        run.host,
        run.seconds,
        key.short()
    )
}

fn key_inputs(explanation: &Explanation) -> Vec<String> {
    let inputs = &explanation.key_inputs;
    let mut lines = Vec::new();
    let mut add = |name: String, value: &str| lines.push(format!("  {name}: {}", shortened(value)));
    for (name, value) in inputs.parameters.scalars() {
        add(name, &value.to_string());
    }
    for (name, digest) in &inputs.basis.code {
        add(format!("code {name}"), &digest.to_string());
    }
    for (name, digest) in &inputs.basis.crates {
        add(name.clone(), &digest.to_string());
    }
    if let Some(numeric) = &inputs.basis.numeric {
        add(
            "backend".into(),
            &format!("{} {}", numeric.backend, numeric.version),
        );
        add("float type".into(), &numeric.float);
        add("architecture".into(), &numeric.architecture);
        add("compiler".into(), &numeric.compiler);
    }
    for (name, digest) in &inputs.inputs {
        add(format!("input {name}"), &digest.to_string());
    }
    for name in &explanation.open {
        add(format!("input {name}"), "still to be made");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Reason;

    #[test]
    fn many_steps_with_one_cause_are_counted() {
        let steps = (0..5).map(|seed| format!("train/a/seed{seed}")).collect();
        let lines = cause(&Cause {
            steps,
            state: "must-run",
            reasons: vec![Reason::Forced],
            running: Vec::new(),
        });
        assert_eq!(
            lines,
            [
                "  train/a/seed0, train/a/seed1, train/a/seed2 and 2 more must run",
                "    forced"
            ]
        );
    }

    #[test]
    fn steps_that_are_running_are_told_from_those_that_must_run() {
        let steps = vec!["train/a/seed0".to_owned(), "train/a/seed1".to_owned()];
        let mut some = Cause {
            steps: steps.clone(),
            state: "must-run",
            reasons: vec![Reason::NoResult],
            running: vec!["train/a/seed1".to_owned()],
        };
        let expected = [
            "  train/a/seed0, train/a/seed1 must run",
            "    no result yet",
            "    running: train/a/seed1",
        ];
        assert_eq!(cause(&some), expected);
        some.running = steps;
        let expected = [
            "  train/a/seed0, train/a/seed1 running",
            "    no result yet",
        ];
        assert_eq!(cause(&some), expected);
    }
}
