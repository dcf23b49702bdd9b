//! The results as a page of Markdown that also reads well in a terminal.
//!
//! Only puts numbers into words: it computes nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Missing, Published, ResultRow, Results, Sources};
use markdown::escaped;
use step::grouped;
use summary::Spread;

/// Stands where there is nothing to say.
const NOTHING: &str = "–";

/// What a column says of a model.
type Cell = fn(&ResultRow) -> String;

const COLUMNS: [(&str, Cell); 8] = [
    ("model", |row| row.label.clone()),
    ("layers", |row| row.layers.to_string()),
    ("parameters", |row| grouped(row.parameters)),
    ("test error, %", |row| ours(&row.test_error)),
    ("He et al., %", |row| published(row.he.as_ref())),
    ("nabla0001/resnet, %", |row| {
        published(row.reproduction.as_ref())
    }),
    ("ours − He et al.", |row| signed(row.difference_to_he)),
    ("ours − nabla0001", |row| {
        signed(row.difference_to_reproduction)
    }),
];

/// The page, with a final newline; columns of a source without any number are left out.
pub fn page(results: &Results, sources: &Sources) -> String {
    let mut page = table(results, sources);
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
        let caveats = escaped(&results.caveats.join("; "));
        let _ = writeln!(
            page,
            "**These numbers are not comparable with the published ones: {caveats}.**\n"
        );
    }
    page.push_str(
        "Final test error as mean ± sample standard deviation (runs); differences of the means \
         in percentage points.\n\n",
    );
    page + &circumstances(results)
}

fn table(results: &Results, sources: &Sources) -> String {
    let shown = |column: &usize| match column {
        4 | 6 => sources.he,
        5 | 7 => sources.reproduction,
        _ => true,
    };
    let shown: Vec<usize> = (0..COLUMNS.len()).filter(shown).collect();
    let row = |cell: &dyn Fn(usize) -> String| shown.iter().map(|&column| cell(column)).collect();
    let mut rows = vec![row(&|column| COLUMNS[column].0.to_owned())];
    let models = results.rows.iter();
    rows.extend(models.map(|model| row(&|column| COLUMNS[column].1(model))));
    let lost = results.missing.iter().filter(|missing| missing.all);
    rows.extend(lost.map(|missing| {
        row(&|column| match COLUMNS[column].0 {
            "model" => missing.label.clone(),
            "test error, %" => "failed".to_owned(),
            _ => NOTHING.to_owned(),
        })
    }));
    markdown::table(&rows)
}

/// A model with the seeds that it lacks: `ResNet-20 (seeds 1, 3)`.
fn hole(missing: &Missing) -> String {
    let seeds: Vec<String> = missing.seeds.iter().map(u64::to_string).collect();
    let plural = if seeds.len() == 1 { "" } else { "s" };
    let label = escaped(&missing.label);
    format!("{label} (seed{plural} {})", seeds.join(", "))
}

/// Under what circumstances the numbers arose, as a list.
fn circumstances(results: &Results) -> String {
    let dataset = &results.dataset;
    // Twelve digits tell archives apart; results.json has all of them.
    let digest: String = dataset.archive_sha256.chars().take(12).collect();
    let [train, held_out, test] = [dataset.train, dataset.validation, dataset.test].map(grouped);
    let rows = results.rows.iter();
    let iterations: BTreeSet<u64> = rows.clone().map(|row| row.iterations).collect();
    let backends: BTreeSet<String> = rows.flat_map(|row| row.backends.clone()).collect();
    format!(
        "- profile: {}\n\
         - images: {train} to train on, {held_out} held out, {test} to test on; archive sha256 {digest}…\n\
         - iterations: {}\n\
         - backend: {}\n",
        results.profile,
        join(iterations.into_iter().map(grouped)),
        join(backends),
    )
}

fn join(values: impl IntoIterator<Item = String>) -> String {
    let values: Vec<String> = values.into_iter().collect();
    match &values[..] {
        [] => NOTHING.to_owned(),
        // A thousands separator is a comma already.
        values => values.join("; "),
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

#[cfg(test)]
mod tests {
    use super::*;

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
