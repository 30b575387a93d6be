//! Puts MCP endpoints under load: `call` calls tools and checks every answer.

mod args;

use std::fmt::Display;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use portcullis_loadtest::load;
use serde::Serialize;

use crate::args::{Args, Command};

// One thread: the generator shares its machine with what it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Call(call) => {
            let report = load::run(&call.endpoint()?, &call.load()).await?;
            print(&report, call.json)?;
            Ok(ExitCode::from(u8::from(report.has_failed())))
        }
    }
}

fn print(report: &(impl Display + Serialize), json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(report).context("a report that is no JSON")?);
    } else {
        print!("{report}");
    }
    Ok(())
}
