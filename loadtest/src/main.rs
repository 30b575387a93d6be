//! Puts MCP endpoints under load: `call` calls tools and checks every answer, `hold` keeps sessions and streams open,
//! `compare` compares what that costs targets, and `start` starts one of them for other tools.

mod args;

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use portcullis_loadtest::target::{Scene, Target};
use portcullis_loadtest::{compare, load};
use serde::Serialize;
use tokio::io::{sink, stdin};
use tokio::time::sleep;

use crate::args::{Args, Command};

// One thread: the generator shares its machine with what it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(error) = load::use_all_descriptors() {
        eprintln!("warning: the limit of open descriptors stays as it is: {error}");
    }
    match run(args.command).await {
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
        Command::Hold(hold) => {
            let report = load::hold(&hold.endpoint()?, &hold.hold(), held(hold.duration)).await?;
            print(&report, hold.json)?;
            Ok(ExitCode::from(u8::from(report.has_failed())))
        }
        Command::Compare(args) => {
            let succeeded = compare::run(args).await?;
            Ok(ExitCode::from(u8::from(!succeeded)))
        }
        Command::Start(start) => {
            let target = Target::by_name(&start.target)?;
            let running = target.start(&start.programs()?, &Scene::default()).await?;
            // Nothing else is to do meanwhile.
            let status = start.command(&running).status().context("cannot run the command")?;
            Ok(ExitCode::from(u8::from(!status.success())))
        }
    }
}

/// Says that everything is open, and waits for the end.
async fn held(duration: Option<Duration>) {
    eprintln!("everything is open");
    match duration {
        Some(duration) => sleep(duration).await,
        None => {
            // That stdin cannot be read ends the wait as well.
            tokio::io::copy(&mut stdin(), &mut sink()).await.ok();
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
