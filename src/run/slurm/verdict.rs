//! What follows from the end of a job that came to no end of its step.

use super::client::Ended;
use super::script::{NO_FOLDER, NO_PROGRAM, OTHER_ARCHITECTURE};
use super::ticket::Trouble;

/// How often a step is submitted without getting on.
const TRIES: usize = 4;

/// How often a node may fail before jobs avoid it.
const FAILURES_OF_A_NODE: usize = 2;

/// What to do next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Another job goes on from what this one has left.
    Again(Trouble),
    /// The step has failed, for this cause.
    Fail(String),
}

/// What to do after the end of a job: `kept` is the iteration of its newest checkpoint, `pauses` whether its
/// step can go on from one.
pub fn next(job: &str, ended: &Ended, before: &[Trouble], kept: u64, pauses: bool) -> Next {
    let at = match &ended.node {
        Some(node) => format!(" on {node}"),
        None => String::new(),
    };
    let what = match &*ended.state {
        "CANCELLED" => {
            return Next::Fail(format!("job {job} was cancelled, not by fig6"));
        }
        "DEADLINE" => return Next::Fail(format!("job {job} did not end before its deadline")),
        "OUT_OF_MEMORY" => {
            return Next::Fail(format!(
                "job {job} ran out of memory{at}; give it more, for example --slurm \"--mem=8G\""
            ));
        }
        "TIMEOUT" if !pauses => {
            return Next::Fail(format!(
                "job {job} ran into its time limit{at}; give it more, for example --slurm \"--time=1:00:00\""
            ));
        }
        "TIMEOUT" => format!("job {job} ran into its time limit{at}"),
        "" => format!("job {job} is gone, and Slurm does not know how it ended"),
        _ => match ended.exit_code {
            NO_FOLDER => format!(
                "the node{at} of job {job} does not see the folder of artifacts; it must lie in a folder that all \
                 nodes share"
            ),
            OTHER_ARCHITECTURE => format!(
                "the node{at} of job {job} has another architecture than this machine, whose program cannot run \
                 there; choose nodes by --slurm \"--constraint=…\""
            ),
            NO_PROGRAM => format!("the node{at} of job {job} does not see the program of fig6"),
            code => format!(
                "job {job} ended{at} as {} with exit code {code} and signal {}",
                ended.state, ended.signal
            ),
        },
    };
    let trouble = Trouble {
        what,
        // A time limit and a more urgent job are no fault of the node.
        node: match &*ended.state {
            "TIMEOUT" | "PREEMPTED" => None,
            _ => ended.node.clone(),
        },
        kept,
    };
    let without_progress = before.iter().rev().take_while(|it| it.kept >= kept);
    let tries = without_progress.count() + 1;
    if tries < TRIES {
        return Next::Again(trouble);
    }
    Next::Fail(format!(
        "{}; so it was {tries} times without getting on",
        trouble.what
    ))
}

/// Nodes that failed too often.
pub fn avoided(troubles: &[Trouble]) -> Vec<&str> {
    let mut nodes: Vec<&str> = Vec::new();
    let failed = |node: &str| {
        let on = troubles
            .iter()
            .filter(|it| it.node.as_deref() == Some(node));
        on.count()
    };
    for node in troubles.iter().filter_map(|it| it.node.as_deref()) {
        if failed(node) >= FAILURES_OF_A_NODE && !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(state: &str, node: &str) -> Ended {
        Ended {
            state: state.to_owned(),
            node: Some(node.to_owned()),
            ..Ended::default()
        }
    }

    #[test]
    fn a_training_goes_on_after_failures_of_nodes_and_time_limits_as_long_as_it_gets_on() {
        let mut troubles = Vec::new();
        // A 35-hour training on a partition of 4 hours, and a node that dies now and then.
        for part in 0..20 {
            let state = if part % 3 == 0 {
                "NODE_FAIL"
            } else {
                "TIMEOUT"
            };
            let node = format!("node{part}");
            match next("1_0", &ended(state, &node), &troubles, 100 * part, true) {
                Next::Again(trouble) => troubles.push(trouble),
                Next::Fail(cause) => panic!("{cause}"),
            }
        }
        assert_eq!(avoided(&troubles), [""; 0]);
        // From here on it gets no further.
        let mut more = 0;
        let cause = loop {
            match next("1_0", &ended("NODE_FAIL", "a"), &troubles, 1900, true) {
                Next::Again(trouble) => troubles.push(trouble),
                Next::Fail(cause) => break cause,
            }
            more += 1;
        };
        assert_eq!(more, TRIES - 2);
        assert!(cause.ends_with("4 times without getting on"), "{cause}");
        assert_eq!(avoided(&troubles), ["a"]);
    }

    #[test]
    fn what_another_job_would_not_mend_fails_at_once() {
        for (state, pauses, says) in [
            ("CANCELLED", true, "was cancelled"),
            (
                "OUT_OF_MEMORY",
                true,
                "ran out of memory on n; give it more",
            ),
            (
                "TIMEOUT",
                false,
                "ran into its time limit on n; give it more",
            ),
            ("DEADLINE", true, "deadline"),
        ] {
            match next("1_0", &ended(state, "n"), &[], 5, pauses) {
                Next::Fail(cause) => assert!(cause.contains(says), "{cause}"),
                again => panic!("{again:?}"),
            }
        }
    }

    #[test]
    fn a_node_that_cannot_run_it_is_named_with_the_cause() {
        for (code, says) in [
            (
                NO_FOLDER,
                "on n of job 1_0 does not see the folder of artifacts",
            ),
            (OTHER_ARCHITECTURE, "another architecture"),
            (NO_PROGRAM, "does not see the program"),
            (7, "ended on n as FAILED with exit code 7 and signal 0"),
        ] {
            let ended = Ended {
                exit_code: code,
                ..ended("FAILED", "n")
            };
            match next("1_0", &ended, &[], 0, true) {
                Next::Again(trouble) => assert!(trouble.what.contains(says), "{}", trouble.what),
                fail => panic!("{fail:?}"),
            }
        }
        let twice = [0, 1].map(|kept| Trouble {
            what: "x".to_owned(),
            node: Some("n".to_owned()),
            kept,
        });
        assert_eq!(avoided(&twice), ["n"]);
        assert_eq!(avoided(&twice[1..]), [""; 0]);
    }
}
