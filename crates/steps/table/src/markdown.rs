//! The results as a page of Markdown that also reads well in a terminal.
//!
//! Only puts numbers into words: it computes nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Missing, Published, ResultRow, Results, Sources, grid};
use summary::Spread;

/// Stands where there is nothing to say.
const NOTHING: &str = "–";

const HEADER: [&str; 8] = [
    "model",
    "layers",
    "parameters",
    "test error, %",
    "He et al., %",
    "nabla0001/resnet, %",
    "ours − He et al.",
    "ours − nabla0001",
];

/// The page, with a final newline; columns of a source without any number are left out.
pub fn page(results: &Results, sources: &Sources) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(results.rows.iter().map(cells));
    let lost = results.missing.iter().filter(|missing| missing.all);
    rows.extend(lost.map(|missing| {
        let mut cells = HEADER.map(|_| NOTHING.to_owned());
        cells[0] = missing.label.clone();
        cells[3] = "failed".to_owned();
        cells
    }));
    let shown = |column: usize| match column {
        4 | 6 => sources.he,
        5 | 7 => sources.reproduction,
        _ => true,
    };
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| {
            let cells = row.into_iter().enumerate();
            let cells = cells.filter(|(column, _)| shown(*column));
            cells.map(|(_, cell)| cell).collect()
        })
        .collect();
    let mut page = grid::write(&rows);
    page.push('\n');
    if !results.missing.is_empty() {
        let holes = results.missing.iter().map(hole);
        let _ = writeln!(
            page,
            "**This table has holes, because trainings or evaluations have failed: {}.**\n",
            holes.collect::<Vec<_>>().join(", ")
        );
    }
    if !results.comparable {
        let caveats = grid::escaped(&results.caveats.join("; "));
        let _ = writeln!(
            page,
            "**These numbers are not comparable with the published ones: {caveats}.**\n"
        );
    }
    page.push_str(
        "Final test error as mean ± sample standard deviation (runs); differences of the means \
         in percentage points.\n\n",
    );
    page.push_str(&circumstances(results));
    page
}

/// A model with the seeds that it lacks: `ResNet-20 (seeds 1 and 3)`.
fn hole(missing: &Missing) -> String {
    let seeds: Vec<String> = missing.seeds.iter().map(u64::to_string).collect();
    let label = grid::escaped(&missing.label);
    match &seeds[..] {
        [seed] => format!("{label} (seed {seed})"),
        seeds => format!("{label} (seeds {})", seeds.join(", ")),
    }
}

fn cells(row: &ResultRow) -> [String; 8] {
    [
        row.label.clone(),
        row.layers.to_string(),
        thousands(row.parameters),
        ours(&row.test_error),
        published(row.he.as_ref()),
        published(row.reproduction.as_ref()),
        signed(row.difference_to_he),
        signed(row.difference_to_reproduction),
    ]
}

/// Under what circumstances the numbers arose, as a list.
fn circumstances(results: &Results) -> String {
    let dataset = &results.dataset;
    // Twelve digits tell archives apart; results.json has all of them.
    let digest: String = dataset.archive_sha256.chars().take(12).collect();
    let backends: BTreeSet<&str> = results
        .rows
        .iter()
        .flat_map(|row| row.backends.iter().map(String::as_str))
        .collect();
    let iterations: BTreeSet<u64> = results.rows.iter().map(|row| row.iterations).collect();
    let lines = [
        ("profile", results.profile.clone()),
        (
            "images",
            format!(
                "{} to train on, {} held out, {} to test on; archive sha256 {digest}…",
                thousands(dataset.train),
                thousands(dataset.validation),
                thousands(dataset.test),
            ),
        ),
        ("iterations", join(iterations.into_iter().map(thousands))),
        ("backend", join(backends)),
    ];
    let mut list = String::new();
    for (name, value) in lines {
        let _ = writeln!(list, "- {name}: {value}");
    }
    list
}

fn join(values: impl IntoIterator<Item = impl Into<String>>) -> String {
    let values: Vec<String> = values.into_iter().map(Into::into).collect();
    if values.is_empty() {
        NOTHING.to_owned()
    } else {
        // A thousands separator is a comma already.
        values.join("; ")
    }
}

fn ours(spread: &Spread) -> String {
    match spread.std {
        Some(std) => format!("{:.2} ± {std:.2} ({})", spread.mean, spread.n),
        None => format!("{:.2} ({})", spread.mean, spread.n),
    }
}

fn published(published: Option<&Published>) -> String {
    let Some(published) = published else {
        return NOTHING.to_owned();
    };
    let mut text = format!("{:.2}", published.mean);
    if let Some(std) = published.std {
        let _ = write!(text, " ± {std:.2}");
    }
    let runs = published.runs.map(|runs| runs.to_string());
    let remarks: Vec<String> = runs.into_iter().chain(published.note.clone()).collect();
    if !remarks.is_empty() {
        let _ = write!(text, " ({})", remarks.join("; "));
    }
    text
}

/// Two decimals with a sign; what rounds to zero has none.
fn signed(difference: Option<f64>) -> String {
    let Some(difference) = difference else {
        return NOTHING.to_owned();
    };
    let digits = format!("{:.2}", difference.abs());
    match digits.as_str() {
        "0.00" => digits,
        _ if difference < 0.0 => format!("−{digits}"),
        _ => format!("+{digits}"),
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated_and_counts_exact() {
        assert_eq!(
            [0, 999, 1_000, 269_722, 1_727_962, 19_421_274].map(thousands),
            ["0", "999", "1,000", "269,722", "1,727,962", "19,421,274"]
        );
    }

    #[test]
    fn differences_carry_a_sign_unless_they_round_to_zero() {
        assert_eq!(
            [0.123, -0.456, 0.004, -0.004].map(|value| signed(Some(value))),
            ["+0.12", "−0.46", "0.00", "0.00"]
        );
        assert_eq!(signed(None), "–");
    }

    #[test]
    fn published_numbers_show_what_is_known_of_them() {
        let number = |std, runs, note: Option<&str>| Published {
            mean: 6.61,
            std,
            runs,
            note: note.map(str::to_owned),
        };
        let show = |number| published(Some(&number));
        assert_eq!(show(number(Some(0.16), Some(5), None)), "6.61 ± 0.16 (5)");
        assert_eq!(show(number(None, None, None)), "6.61");
        let noted = number(None, Some(5), Some("best of 5"));
        assert_eq!(show(noted), "6.61 (5; best of 5)");
        assert_eq!(published(None), "–");
    }
}
