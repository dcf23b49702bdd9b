//! Puts data into the templates beside this file.
//!
//! Only puts numbers into words: it computes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, context,
};

use super::data::Data;
use super::view::View;
use step::grouped;

/// The charts: uPlot, whose licence the page ships with it.
const CHARTS: [&str; 2] = [
    include_str!("vendor/uPlot.iife.min.js"),
    include_str!("vendor/uPlot.min.css"),
];
const CHARTS_LICENCE: &str = include_str!("vendor/LICENSE");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The sections by the identifier of their element.
const SECTIONS: [(&str, &str); 6] = [
    ("summary", include_str!("summary.html")),
    ("figures", include_str!("figures.html")),
    ("results", include_str!("results.html")),
    ("verdicts", include_str!("verdicts.html")),
    ("classes", include_str!("classes.html")),
    ("steps", include_str!("steps.html")),
];

/// The page around this JSON.
pub fn page(data: &Data, json: &str, live: Option<&str>) -> Result<String> {
    let sections = sections(data)?;
    let context = context! {
        profile => &data.profile,
        sections => Serde(&sections),
        data_tag => super::DATA, json, live,
        style => STYLE, script => SCRIPT,
        charts => CHARTS[0], charts_style => CHARTS[1], charts_licence => CHARTS_LICENCE,
    };
    render("page", context)
}

/// The sections by the identifier of their element.
pub fn sections(data: &Data) -> Result<BTreeMap<&'static str, String>> {
    let view = View::of(data);
    let context = context! {
        data => Serde(data),
        view => Serde(&view),
        figures => data.figures.iter().map(|it| context! {
            name => &it.name, step => &it.step, svg => Value::from_safe_string(it.svg.clone()),
        }).collect::<Vec<_>>(),
    };
    let sections = SECTIONS.iter().map(|(name, _)| {
        let text = render(name, context.clone());
        Ok((*name, text.with_context(|| format!("section {name}"))?))
    });
    sections.collect()
}

fn render(name: &str, context: Value) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(escaped);
    environment.add_filter("fixed", fixed);
    environment.add_filter("signed", signed);
    environment.add_filter("grouped", grouped);
    environment.add_filter("short", |digest: &str| {
        digest.chars().take(12).collect::<String>()
    });
    environment.add_filter("words", |name: &str| name.replace('-', " "));
    environment.add_filter("duration", duration);
    environment.add_filter("anchor", anchor);
    environment.add_template("macros", include_str!("macros.html"))?;
    environment.add_template("page", include_str!("page.html"))?;
    for (name, text) in SECTIONS {
        environment.add_template(name, text)?;
    }
    Ok(environment.get_template(name)?.render(context)?)
}

/// Writes a value as HTML. Unlike the engine's own, it leaves `/` as it is, so that names of steps can be
/// searched in the file.
fn escaped(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let text = value.to_string();
    if value.is_safe() || value.is_number() {
        return Ok(out.write_str(&text)?);
    }
    for letter in text.chars() {
        match letter {
            '<' => out.write_str("&lt;")?,
            '>' => out.write_str("&gt;")?,
            '&' => out.write_str("&amp;")?,
            '"' => out.write_str("&quot;")?,
            '\'' => out.write_str("&#39;")?,
            _ => out.write_char(letter)?,
        }
    }
    Ok(())
}

/// With so many decimals; what rounds to zero has no sign.
fn fixed(number: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", number.abs());
    let is_zero = text.chars().all(|c| matches!(c, '0' | '.'));
    match number < 0.0 && !is_zero {
        true => format!("−{text}"),
        false => text,
    }
}

/// With two decimals and a sign.
fn signed(number: f64) -> String {
    let text = fixed(number, 2);
    match text.starts_with('−') || text == "0.00" {
        true => text,
        false => format!("+{text}"),
    }
}

/// Seconds as people write them.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

/// A step's name as an identifier.
fn anchor(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_".contains(c) {
            c
        } else {
            '.'
        }
    };
    format!("step-{}", name.chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(
            [1.005, -0.004, -1.5].map(|it| fixed(it, 2)),
            ["1.00", "0.00", "−1.50"]
        );
        assert_eq!([0.5, -0.5, 0.001].map(signed), ["+0.50", "−0.50", "0.00"]);
        assert_eq!(
            [0.25, 9.99, 59.4, 61.0, 3600.0, 86399.6].map(duration),
            [
                "0.2 s",
                "10 s",
                "59 s",
                "1 min 01 s",
                "1 h 00 min",
                "24 h 00 min"
            ]
        );
    }
}
