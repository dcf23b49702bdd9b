//! Checks as JUnit XML, which most CI systems show as a list of tests: a suite for each level.
//!
//! The same checks give the same bytes: no times, no host. What could not be decided is an error, not
//! a skipped test, because CI systems show a skipped test as if nothing were wrong.

use anyhow::{Context as _, Result};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite, XmlString};

use crate::verify::{Check, Status, by_level};

/// How a report begins, whatever is in it.
const BEGINNING: &str =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"fig6 verify\" ";

/// Whether a file that begins with these bytes is such a report.
pub fn begins_as_report(beginning: &[u8]) -> bool {
    beginning.starts_with(BEGINNING.as_bytes())
}

/// The report, valid by the schema `junit-10.xsd` of Jenkins' xUnit plugin.
///
/// # Errors
/// If the report cannot be formed, which only a lack of memory explains.
pub fn report(checks: &[Check]) -> Result<String> {
    let mut report = Report::new("fig6 verify");
    for (level, checks) in by_level(checks) {
        let mut suite = TestSuite::new(level.name());
        suite.add_test_cases(checks.into_iter().map(case));
        report.add_test_suite(suite);
    }
    let text = report.to_string().context("cannot form the JUnit report")?;
    // The schema knows the attribute of a suite, but none of all of them. Nothing is ever skipped.
    Ok(text.replacen(" skipped=\"0\"", "", 1))
}

fn case(check: &Check) -> TestCase {
    let failed = |kind, name| {
        let mut status = TestCaseStatus::non_success(kind);
        let place = check.place.as_ref();
        let place = place.map(|place| format!("{}:{}: ", place.file.display(), place.line));
        status
            .set_type(name)
            .set_message(allowed(&check.message))
            .set_description(allowed(&format!(
                "{}{}",
                place.unwrap_or_default(),
                check.message
            )));
        status
    };
    let status = match check.status {
        Status::Passed => TestCaseStatus::success(),
        Status::Undecided => failed(NonSuccessKind::Error, "undecided"),
        Status::Failed => failed(NonSuccessKind::Failure, "failed"),
    };
    let mut case = TestCase::new(allowed(&check.name), status);
    case.set_classname(format!("fig6.{}", check.level.name()));
    case
}

/// A text in XML. The crate drops control characters and escapes the rest, but keeps the two letters
/// at the end of the first plane that XML 1.0 (section 2.2) forbids as well.
fn allowed(text: &str) -> XmlString {
    XmlString::new(text.replace(['\u{fffe}', '\u{ffff}'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Level;

    #[test]
    fn a_report_reads_exactly_so() {
        let checks = [
            Check::new(Level::Claims, "he/resnet56", Status::Undecided, "one seed"),
            Check::new(Level::Lock, "table", Status::Passed, "as published"),
            Check::new(
                Level::Documents,
                "README.md:12 a<b",
                Status::Failed,
                "says \"8\" & 9",
            )
            .at("README.md", 12),
        ];
        assert_eq!(
            report(&checks).unwrap(),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="fig6 verify" tests="3" failures="1" errors="1">
    <testsuite name="lock" tests="1" skipped="0" errors="0" failures="0">
        <testcase name="table" classname="fig6.lock"/>
    </testsuite>
    <testsuite name="claims" tests="1" skipped="0" errors="1" failures="0">
        <testcase name="he/resnet56" classname="fig6.claims">
            <error message="one seed" type="undecided">one seed</error>
        </testcase>
    </testsuite>
    <testsuite name="documents" tests="1" skipped="0" errors="0" failures="1">
        <testcase name="README.md:12 a&lt;b" classname="fig6.documents">
            <failure message="says &quot;8&quot; &amp; 9" type="failed">README.md:12: says &quot;8&quot; &amp; 9</failure>
        </testcase>
    </testsuite>
</testsuites>
"#
        );
    }

    #[test]
    fn a_report_is_known_by_its_beginning_and_no_other_programs_is() {
        let text = report(&[]).unwrap();
        assert!(begins_as_report(text.as_bytes()));
        let other = text.replace("fig6 verify", "pytest tests");
        assert!(!begins_as_report(other.as_bytes()));
        assert!(!begins_as_report(b"<?xml"));
    }

    #[test]
    fn nothing_that_xml_forbids_is_written() {
        let hostile: String = (0..=0x1_ffff).filter_map(char::from_u32).collect();
        // What begins an escape sequence takes the letters after it away, so it comes last.
        let hostile: String = hostile.replace(['\u{1b}', '\u{9b}'], "") + "end\u{1b}[31mred";
        let check = Check::new(Level::Lock, hostile.clone(), Status::Failed, hostile);
        let text = report(&[check]).unwrap();
        let forbidden = |letter: &char| {
            let allowed = matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}')
                || matches!(letter, '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
            !allowed
        };
        assert_eq!(text.chars().find(forbidden), None);
        assert!(text.contains("end"));
        assert!(text.contains('\u{1ffff}'));
    }

    #[test]
    fn no_check_makes_an_empty_report() {
        let text = report(&[]).unwrap();
        assert!(text.contains("<testsuites name=\"fig6 verify\" tests=\"0\" failures=\"0\""));
        assert!(!text.contains("<testsuite "));
    }
}
