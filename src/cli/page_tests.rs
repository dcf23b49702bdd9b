use std::collections::BTreeSet;

use clap::Parser as _;

use super::Cli;
use crate::report::made_up_tests::{Project, TINY};

#[test]
fn every_command_that_a_page_names_is_one() {
    let project = Project::new(TINY, 1);
    project.publish();
    let page = project.read("report.html");
    let codes = page.split("<code>fig6 ").skip(1);
    let commands = codes.map(|code| code.split_once("</code>").unwrap().0);
    let commands: BTreeSet<&str> = commands.collect();
    for kind in [
        "explain",
        "log",
        "reproduce --force",
        "status",
        "verify --rebuild",
    ] {
        assert!(commands.iter().any(|it| it.starts_with(kind)), "{kind}");
    }
    for command in commands {
        let words = ["fig6"].into_iter().chain(command.split(' '));
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{command}: {error}");
        }
        let step = command.split(' ').find(|word| word.contains('/'));
        let known = step.is_none_or(|step| {
            let steps = project.graph.matching(&[step.to_owned()]);
            !steps.unwrap().is_empty()
        });
        assert!(known, "{command}");
    }
}
