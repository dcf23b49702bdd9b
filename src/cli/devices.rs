//! `fig6 devices`: where the networks can be computed.

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::out::Out;
use nn::device::{Backend, Request};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, out: &mut Out) {
    let auto = Request::Auto.resolve().ok();
    if arguments.json {
        let devices: Vec<Value> = Backend::ALL
            .iter()
            .map(|backend| {
                json!({
                    "device": backend.to_string(),
                    "compiled_in": backend.compiled_in(),
                    "usable": backend.usable().is_ok(),
                    "auto": auto.as_ref() == Some(backend),
                })
            })
            .collect();
        out.json_line(&json!({ "devices": devices }));
        return;
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    for backend in Backend::ALL {
        let state = match backend.usable() {
            Ok(()) if auto == Some(backend) => "usable, and what auto takes".to_owned(),
            Ok(()) => "usable".to_owned(),
            Err(why) => format!("{why:#}"),
        };
        table.add_row([backend.to_string(), state]);
    }
    out.line(table.trim_fmt());
}
