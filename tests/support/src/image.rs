//! A root that holds what the container image holds, entered as a container would be.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::{Process, skip};

const CA_BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";
/// What `gcr.io/distroless/cc` has of glibc and GCC; a binary that needs more would not start there.
const LIBRARIES: [&str; 8] = [
    "linux-vdso",
    "ld-linux",
    "libc.so",
    "libm.so",
    "libgcc_s.so",
    "libdl.so",
    "libpthread.so",
    "librt.so",
];
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes the root what a container runtime makes of it: read-only, with /proc, the usual devices, an empty /tmp and a
/// network of its own. The mounts belong to this process and vanish with it.
const CREATE: &str = r#"
set -e
root=$1 user=$2; shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
for device in null zero random urandom; do mount --bind "/dev/$device" "$root/dev/$device"; done
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -o remount,ro,bind "$root"
ip link set lo up
exec setpriv --no-new-privs chroot --userspec="$user" "$root" "$@"
"#;

/// The file system of the image, and what its Dockerfile says about running it.
pub struct ImageRoot {
    directory: TempDir,
    dockerfile: String,
}

impl ImageRoot {
    /// Builds the root around `binary` as the final stage of `dockerfile` does. `None`, after saying so, where it could
    /// not be entered: that takes root and namespaces.
    pub fn build(binary: &Path, dockerfile: &Path) -> Option<Self> {
        let probe = Command::new("unshare")
            .args(["--mount", "--net", "ip", "link", "set", "lo", "up"])
            .output();
        if !probe.is_ok_and(|output| output.status.success()) {
            skip("entering the root of the image needs root, namespaces and iproute2");
            return None;
        }
        let dockerfile = fs::read_to_string(dockerfile).expect("the Dockerfile");
        let image = Self { directory: TempDir::new().expect("a temporary directory"), dockerfile };
        fs::set_permissions(image.path(), Permissions::from_mode(0o755)).expect("a readable root");
        for directory in ["proc", "dev", "tmp", "etc/portcullis", "home/nonroot"] {
            fs::create_dir_all(image.path().join(directory)).expect("a directory of the root");
        }
        for device in ["null", "zero", "random", "urandom"] {
            image.write(&format!("dev/{device}"), "");
        }
        image.write("etc/passwd", "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n");
        image.write("etc/group", "nonroot:x:65532:\n");
        image.write("etc/nsswitch.conf", "hosts: files dns\n");
        image.write("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
        image.copy(&Path::new("/").join(CA_BUNDLE), Path::new(CA_BUNDLE));
        let copied = image.instruction("COPY").split_whitespace().last().map(PathBuf::from);
        image.copy(binary, &inside(&copied.expect("COPY names a destination")));
        for library in libraries(binary) {
            image.copy(&library, &inside(&library));
        }
        Some(image)
    }

    /// The root, seen from outside.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts a configuration directory where the image expects one.
    pub fn add_config(&self, directory: &Path) {
        copy_tree(directory, &self.path().join("etc/portcullis"));
    }

    /// A container with the arguments of `CMD`.
    pub fn run(&self) -> Command {
        self.run_with(&self.words("CMD"))
    }

    /// A container with other arguments.
    pub fn run_with(&self, args: &[String]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--net", "--", "sh", "-c", CREATE, "create"]).arg(self.path());
        command.arg(self.user()).args(self.words("ENTRYPOINT")).args(args);
        environment(command)
    }

    /// The command of `HEALTHCHECK`, run in the container of `process`.
    pub fn healthcheck(&self, process: &Process) -> Command {
        let (_, words) =
            self.instruction("HEALTHCHECK").split_once("CMD").expect("HEALTHCHECK has a CMD");
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--net", "--target", &process.pid().to_string(), "--"]);
        command.args(["setpriv", "--no-new-privs", "chroot"]);
        command.arg(format!("--userspec={}", self.user())).arg(self.path()).args(json_words(words));
        environment(command)
    }

    /// `USER`.
    pub fn user(&self) -> &str {
        self.instruction("USER")
    }

    /// The last instruction of this name, which is the one of the final stage.
    fn instruction(&self, name: &str) -> &str {
        let mut lines =
            self.dockerfile.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        lines.next_back().unwrap_or_else(|| panic!("the Dockerfile has no {name}")).trim()
    }

    fn words(&self, instruction: &str) -> Vec<String> {
        json_words(self.instruction(instruction))
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path().join(path), text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    fn copy(&self, from: &Path, to: &Path) {
        let to = self.path().join(to);
        fs::create_dir_all(to.parent().expect("a file is in a directory"))
            .expect("a directory of the root");
        fs::copy(from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}

fn json_words(array: &str) -> Vec<String> {
    serde_json::from_str(array)
        .unwrap_or_else(|error| panic!("{array} is not in exec form: {error}"))
}

/// Nothing of ours: a container gets only what the image and its caller set.
fn environment(mut command: Command) -> Command {
    command.env_clear().env("PATH", PATH).env("HOME", "/home/nonroot");
    command
}

fn inside(path: &Path) -> PathBuf {
    path.strip_prefix("/").expect("an absolute path").to_owned()
}

/// The shared libraries `binary` loads, as `ldd` finds them here.
fn libraries(binary: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(binary).output().expect("ldd");
    let text = String::from_utf8(output.stdout).expect("ldd prints UTF-8");
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        let known = LIBRARIES.iter().any(|library| line.contains(library));
        assert!(known, "the image has no such library: {line}");
        found.extend(line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from));
    }
    found
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory of the root");
    for entry in fs::read_dir(from).expect("a directory to copy") {
        let entry = entry.expect("a directory entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).expect("a file to copy");
        }
    }
}
