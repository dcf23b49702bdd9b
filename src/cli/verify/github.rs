//! Checks as commands of GitHub's workflows, which GitHub shows beside the lines they name.
//!
//! Only what did not pass is said. GitHub shows ten errors and ten warnings of a step; the summary and
//! the JUnit report have all.

use crate::verify::{Check, Status};

/// One command a line.
///
/// Source: "Workflow commands for GitHub Actions", and the escapes in
/// `packages/core/src/command.ts` of github.com/actions/toolkit.
pub fn commands(checks: &[Check]) -> String {
    checks.iter().filter_map(command).collect()
}

fn command(check: &Check) -> Option<String> {
    let kind = match check.status {
        Status::Passed => return None,
        Status::Undecided => "warning",
        Status::Failed => "error",
    };
    let place = check.place.as_ref().map(|place| {
        let file = place.file.display().to_string();
        format!("file={},line={},", property(&file), place.line)
    });
    Some(format!(
        "::{kind} {}title={}::{}\n",
        place.unwrap_or_default(),
        property(&check.name),
        message(&check.message)
    ))
}

/// What a runner takes for the text of a command.
fn message(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// What a runner takes for a value before the text.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Level;

    #[test]
    fn failures_are_errors_with_their_place_and_doubts_are_warnings() {
        let checks = [
            Check::new(Level::Lock, "table", Status::Passed, "as published"),
            Check::new(
                Level::Documents,
                "a,b.md:3 layers(x)",
                Status::Failed,
                "says 8,5 %: no",
            )
            .at("a,b.md", 3),
            Check::new(Level::Claims, "he/resnet56", Status::Undecided, "one seed"),
        ];
        assert_eq!(
            commands(&checks),
            "::error file=a%2Cb.md,line=3,title=a%2Cb.md%3A3 layers(x)::says 8,5 %25: no\n\
             ::warning title=he/resnet56::one seed\n"
        );
    }

    #[test]
    fn no_text_of_a_check_makes_a_second_command() {
        let hostile = "%0A\n::error::x\r\n::stop-commands::y";
        let check = Check::new(Level::Lock, hostile, Status::Failed, hostile).at(hostile, 1);
        let commands = commands(&[check]);
        assert_eq!(commands.lines().count(), 1);
        assert!(!commands.contains('\r'));
        assert!(commands.ends_with("::%250A%0A::error::x%0D%0A::stop-commands::y\n"));
    }
}
