//! Puts MCP endpoints under load: `call` calls tools and checks every answer, `hold` keeps sessions and streams open,
//! `compare` compares what that costs targets, and `start` starts one of them for other tools.

mod args;

use std::fmt::Display;
use std::future::pending;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use portcullis::server::Signals;
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
    tokio::select! {
        ended = run(args.command) => ended.unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }),
        // What was started for it ends with the run, which a signal that kills would leave behind.
        code = interrupted() => code,
    }
}

/// Waits for a signal that asks the process to end; the exit code is the one of `signal(7)`.
async fn interrupted() -> ExitCode {
    match Signals::install() {
        Ok(mut signals) => {
            ExitCode::from(u8::try_from(signals.next().await.exit_code()).unwrap_or(u8::MAX))
        }
        Err(_) => pending().await,
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
            let mut command = tokio::process::Command::from(start.command(&running));
            let status = command.kill_on_drop(true).status().await;
            let status = status.context("cannot run the command")?;
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
