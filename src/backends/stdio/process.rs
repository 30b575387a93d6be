//! A child process: how it is started, how it is stopped, and how it ended.
//!
//! It leads a process group of its own, so that what it starts goes with it (`npx` starts `node`).
//! When the gateway itself is killed, nobody is left to send signals: the child reads the end of its
//! standard input then, at which an MCP server ends (MCP 2025-11-25, stdio, "Shutdown"), and the
//! [`guardian`](super::guardian) ends those that do not. `PR_SET_PDEATHSIG` would need unsafe code
//! between fork and exec, spares grandchildren, and fires already when the thread ends that started
//! the child.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup, ResetSigmask};
use secrecy::ExposeSecret;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::signal::unix::SignalKind;
use tokio::time::timeout;

use super::guardian::Ward;
use crate::backends::{self, Background, OpenError};

/// How long a child has to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grace {
    /// By itself, once its standard input is closed.
    pub(super) after_eof: Duration,
    /// Once it was asked by SIGTERM.
    pub(super) after_sigterm: Duration,
}

impl Default for Grace {
    fn default() -> Self {
        Self { after_eof: Duration::from_secs(2), after_sigterm: Duration::from_secs(3) }
    }
}

/// A running child.
#[derive(Debug)]
pub(super) struct Process {
    child: Box<dyn ChildWrapper>,
    /// Held until the whole group has been waited for or killed.
    _ward: Option<Ward>,
}

/// Our ends of its standard streams.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

impl Process {
    /// Starts a child, whose pipes belong to the background runtime.
    pub(super) fn start(
        config: &backends::Stdio,
        background: &Background,
    ) -> Result<(Self, Pipes), OpenError> {
        let _runtime = background.runtime.enter();
        Self::spawn(config).map_err(|error| OpenError::Spawn {
            command: config.command.clone(),
            reason: advice(config, &error),
        })
    }

    fn spawn(config: &backends::Stdio) -> io::Result<(Self, Pipes)> {
        let program = match &*config.command {
            "portcullis" => std::env::current_exe()?.into_os_string(),
            command => OsString::from(command),
        };
        let mut command = Command::new(program);
        command.args(&config.args).env_clear().envs(inherited(std::env::vars_os()));
        command.envs(config.env.iter().map(|(name, value)| (name, value.expose_secret())));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(directory) = &config.cwd {
            command.current_dir(directory);
        }
        let mut child = CommandWrap::from(command)
            .wrap(KillOnDrop)
            .wrap(ResetSigmask)
            .wrap(ProcessGroup::leader())
            .spawn()?;
        let pipes = Pipes {
            stdin: child.stdin().take().expect("standard input is piped"),
            stdout: child.stdout().take().expect("standard output is piped"),
            stderr: child.stderr().take().expect("standard error is piped"),
        };
        let ward = child.id().map(Ward::new);
        Ok((Self { child, _ward: ward }, pipes))
    }

    /// The process id.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the child has ended, and kills what is left of its group.
    ///
    /// Not the group's own `wait`: that blocks a thread until the last grandchild is gone, where
    /// those become our children (we are process 1 of a container).
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.inner_mut().wait().await?;
        self.child.start_kill().ok(); // nobody left is fine
        Ok(status)
    }

    /// Stops the child, whose standard input has been closed: first it may go by itself, then it
    /// is asked to, then it is killed.
    pub(super) async fn stop(&mut self, grace: Grace) -> io::Result<ExitStatus> {
        if let Ok(status) = timeout(grace.after_eof, self.wait()).await {
            return status;
        }
        self.child.signal(SignalKind::terminate().as_raw_value()).ok();
        if let Ok(status) = timeout(grace.after_sigterm, self.wait()).await {
            return status;
        }
        self.kill().await
    }

    /// Kills the child and its group.
    pub(super) async fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.start_kill().ok();
        self.wait().await
    }
}

/// What a child gets of our environment: enough to find programs, files and a language.
fn inherited(
    ours: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    ours.filter(|(name, _)| {
        name.to_str().is_some_and(|name| {
            matches!(name, "PATH" | "HOME" | "LANG" | "LANGUAGE") || name.starts_with("LC_")
        })
    })
}

/// How a child ended, as part of a sentence.
pub(super) fn ending(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("its process exited with status {code}"),
            (None, Some(signal)) => format!("its process was killed by signal {signal}"),
            (None, None) => format!("its process ended: {status}"),
        },
        Err(error) => format!("its process cannot be waited for: {error}"),
    }
}

/// What the operating system says about a start that failed, and what to do.
fn advice(config: &backends::Stdio, error: &io::Error) -> String {
    if let Some(directory) = config.cwd.as_deref().filter(|directory| !directory.is_dir()) {
        return format!(
            "the directory {} does not exist; correct spec.gateway.cwd",
            directory.display()
        );
    }
    let is_path = config.command.contains('/');
    match error.kind() {
        io::ErrorKind::NotFound if is_path && Path::new(&config.command).exists() => {
            "its interpreter (the first line of the script) does not exist; install it".to_owned()
        }
        io::ErrorKind::NotFound if is_path => {
            "there is no such file; correct spec.command".to_owned()
        }
        io::ErrorKind::NotFound => {
            "there is no such program in PATH; install it, or set spec.command to its full path"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            format!("{error}; is it an executable file? (chmod +x)")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_inherits_paths_and_locale_and_nothing_else() {
        let ours = ["PATH", "HOME", "LANG", "LC_ALL", "AWS_SECRET_ACCESS_KEY", "LCX", "USER"];
        let ours = ours.map(|name| (OsString::from(name), OsString::from("x")));
        let names: Vec<_> = inherited(ours.into_iter()).map(|(name, _)| name).collect();
        assert_eq!(names, ["PATH", "HOME", "LANG", "LC_ALL"]);
    }
}
