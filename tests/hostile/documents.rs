//! Documents with marked numbers, and the reports that they are held against.

use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow};
use fig6::verify::Status;
use fig6::verify::prose::{Document, Reports, Source, check, rewrite};

use super::dice::Dice;
use super::target::{Bound, KB, Target, alone};
use testing::folder;

const LATEX: &str = r"\newcommand{\figsix}[2]{#2}
\figsix{test_error(resnet8)}{$42.10 \pm 3.25$}\,\% % \figsix{no}{mark}
\verb|\figsix{no}{mark}|
\begin{verbatim}
% fig6: no mark
\end{verbatim}
% fig6: table smoke: model, test error
% /fig6
";

/// The reports that are kept beside the sources.
fn reports() -> Reports {
    Reports {
        folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("reports"),
        profile: "smoke".into(),
    }
}

/// Holds a document against a source, and brings it up to date.
fn bring_up_to_date(document: &Document, source: &dyn Source) -> Result<()> {
    let checks = check(document, source);
    assert!(!checks.is_empty(), "a document passed without any check");
    let new = Document::new(&document.path, rewrite(document, source)?);
    assert_eq!(rewrite(&new, source)?, new.text);
    if let Some(check) = check(&new, source)
        .iter()
        .find(|check| check.status != Status::Passed)
    {
        return Err(anyhow!("{}", check.message));
    }
    Ok(())
}

#[test]
fn documents_whatever_they_hold_are_bound_or_refused() {
    let _alone = alone();
    let reports = reports();
    for (name, seed, damage) in [
        (
            "document.md",
            include_str!("../../README.md"),
            &Dice::damage as &dyn Fn(&mut Dice, &mut Vec<u8>, &[u8]),
        ),
        (
            "document.md",
            include_str!("../../docs/ci.md"),
            &Dice::damage_text,
        ),
        ("document.tex", LATEX, &Dice::damage_text),
    ] {
        Target {
            name: "document",
            bound: Bound {
                fixed: 256 * KB,
                per_byte: 20,
            },
            seeds: vec![seed.as_bytes().to_vec()],
            damage,
            parse: &|_, bytes| {
                let text = std::str::from_utf8(bytes)?;
                bring_up_to_date(&Document::new(name, text), &reports)
            },
        }
        .run();
    }
}

#[test]
fn reports_whatever_they_hold_are_quoted_or_refused() {
    let _alone = alone();
    let kept = reports().folder.join("smoke");
    let readme = include_str!("../../README.md");
    for (name, other) in [
        ("results.json", "results.md"),
        ("results.md", "results.json"),
    ] {
        let place = folder();
        let report = place.path().join("smoke");
        fs::create_dir(&report).unwrap();
        fs::copy(kept.join(other), report.join(other)).unwrap();
        let source = Reports {
            folder: place.path().to_owned(),
            profile: "smoke".into(),
        };
        Target {
            name: "report",
            bound: Bound {
                fixed: 256 * KB,
                per_byte: 20,
            },
            seeds: vec![fs::read(kept.join(name)).unwrap()],
            damage: &Dice::damage_text,
            parse: &|_, bytes| {
                fs::write(report.join(name), bytes)?;
                bring_up_to_date(&Document::new("README.md", readme), &source)
            },
        }
        .run();
    }
}
