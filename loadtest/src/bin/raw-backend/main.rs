//! An MCP server that is as fast as one can be: hyper, one borrowed parse, answers made by hand.
//!
//! `raw-backend [OPTIONS]` says on stdout where it listens. It answers what a gateway asks a server of 2025-11-25, and its
//! tools all do the same: they give `message` back, filled up to `--size`, whole or as the last of `--events` events,
//! after `--delay`, and every `--error-every`th time as a tool error.

mod answer;
mod message;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;

use clap::Parser;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use crate::answer::{Backend, Options};

#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; with port 0 at a port that is free
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[command(flatten)]
    options: Options,
}

// One thread: it shares its machine with what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let listener = TcpListener::bind(args.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    let backend = Rc::new(Backend::new(args.options));
    LocalSet::new().run_until(serve(listener, backend)).await
}

async fn serve(listener: TcpListener, backend: Rc<Backend>) -> anyhow::Result<()> {
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let backend = Rc::clone(&backend);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| {
                let backend = Rc::clone(&backend);
                async move { Ok::<_, Infallible>(backend.answer(request).await) }
            });
            let mut http = http1::Builder::new();
            // A client that goes away is not an error.
            let _ =
                http.timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
