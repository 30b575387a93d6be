//! A closed-loop load test of one MCP endpoint: each connection sends its next `tools/call` when
//! the last one has been answered, and every answer is checked.

mod args;
mod client;
mod report;
mod run;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;

// One thread: the generator shares its machine with what it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let json = args.json;
    match run::run(args).await {
        Ok(report) => {
            if json {
                println!("{}", report.to_json());
            } else {
                print!("{report}");
            }
            ExitCode::from(u8::from(report.has_failed()))
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
