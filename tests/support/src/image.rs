//! A root that holds what the container image holds, and nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Where the binary is in the image.
const BINARY: &str = "usr/local/bin/portcullis";
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

/// Enters the root as the image would be entered: read-only, with /proc, the usual devices and an empty /tmp of its own,
/// as uid 65532 without privileges. All mounts belong to this process and vanish with it.
const ENTER: &str = r#"
set -e
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
for device in null zero random urandom; do mount --bind "/dev/$device" "$root/dev/$device"; done
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -o remount,ro,bind "$root"
exec setpriv --no-new-privs --bounding-set=-all chroot --userspec=65532:65532 "$root" "$@"
"#;

/// The file system of the image.
pub struct ImageRoot {
    directory: TempDir,
}

impl ImageRoot {
    /// Builds the root around `binary`. `None` where it could not be entered: that takes root and mount namespaces.
    pub fn build(binary: &Path) -> Option<Self> {
        let can_enter = Command::new("unshare")
            .args(["--mount", "true"])
            .status()
            .is_ok_and(|status| status.success());
        if !can_enter {
            crate::skip("entering the root of the image needs root and a mount namespace");
            return None;
        }
        let image = Self { directory: TempDir::new().expect("a temporary directory") };
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
        image.copy(Path::new("/").join(CA_BUNDLE).as_path(), CA_BUNDLE);
        image.copy(binary, BINARY);
        for library in libraries(binary) {
            let inside = library.strip_prefix("/").expect("an absolute path").to_owned();
            image.copy(&library, inside.to_str().expect("a UTF-8 path"));
        }
        Some(image)
    }

    /// The root, seen from outside.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Copies a configuration directory to `/etc/portcullis`.
    pub fn add_config(&self, directory: &Path) {
        copy_tree(directory, &self.path().join("etc/portcullis"));
    }

    /// A command that runs the binary inside, as the image's user and with none of our environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-c", ENTER, "enter"]).arg(self.path());
        command.arg(format!("/{BINARY}")).args(args);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/home/nonroot");
        command
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path().join(path), text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    fn copy(&self, from: &Path, to: &str) {
        let to = self.path().join(to);
        fs::create_dir_all(to.parent().expect("a file is in a directory"))
            .expect("a directory of the root");
        fs::copy(from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
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
