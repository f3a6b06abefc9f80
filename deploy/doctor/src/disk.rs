//! Checks of the disk under the lake: the doctor writes, syncs, renames and links files in a folder of its own and
//! removes it again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::report::{Findings, Outcome};

/// Files that are synced to measure the latency.
const SYNCED: usize = 20;
/// Bytes of each file: a small log entry.
const SYNCED_BYTES: usize = 4_096;
/// The slowest acceptable sync: a publish makes about ten of them.
const SYNC_SLOW: Duration = Duration::from_millis(30);
/// A faster sync did not reach a device.
const SYNC_UNLIKELY: Duration = Duration::from_micros(15);
/// Less free space is a fault: a large park fills it in an hour, and the log cannot be trimmed without space.
const FREE_FAULT: u64 = 1 << 30;
/// Less free space is a warning.
const FREE_WARNING: u64 = 10 << 30;
/// Fewer free inodes are a warning: a year of a park with a hundred enterprises has as many files.
const INODES_WARNING: u64 = 40_000;

/// The folder of the trial, removed on drop.
struct Trial(PathBuf);

impl Drop for Trial {
    fn drop(&mut self) {
        // A folder that cannot be removed is recognizable by its name.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Trial {
    fn open(within: &Path) -> io::Result<Self> {
        // No park's name begins with a dot, so no reader of the lake takes the folder for a park.
        let folder = within.join(format!(".greenpark-doctor-{}", std::process::id()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    fn place(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// Returns the folder itself, or its nearest existing ancestor.
fn nearest(folder: &Path) -> &Path {
    let there = folder.ancestors().find(|above| above.exists());
    match there {
        Some(above) => above,
        None => Path::new("."),
    }
}

/// Checks the disk under `root`, the lake's folder, which need not exist yet.
pub fn check(root: &Path, findings: &mut Findings) {
    let folder = nearest(root);
    let display = folder.display();
    let trial = match Trial::open(folder) {
        Ok(trial) => trial,
        Err(error) => {
            let change = "give the account that runs greenpark the folder: chown -R greenpark FOLDER; or name \
                          another with lake.root";
            let means = "nothing can be published, so the log fills";
            let seen = format!("{display} cannot be written to: {error}");
            findings.add("folder", Outcome::Fault, seen, [means, change]);
            for name in [
                "kind of file system",
                "free space",
                "sync",
                "rename and link",
            ] {
                findings.left_out(name, "the folder cannot be written to", "");
            }
            return;
        }
    };
    findings.ok("folder", format!("{display} can be written to"), "");
    kind(folder, findings);
    space(folder, findings);
    sync(&trial, findings);
    names(&trial, findings);
    mounts(root, findings);
}

/// Checks the kind of file system: on some a lake does not last.
#[cfg(target_os = "linux")]
fn kind(folder: &Path, findings: &mut Findings) {
    const NAME: &str = "kind of file system";
    // Numbers of linux/magic.h.
    let (tmpfs, ramfs, overlay, nfs, smb) =
        (0x0102_1994, 0x8584_58f6, 0x794c_7630, 0x6969, 0xff53_4d42);
    let kind = match rustix::fs::statfs(folder) {
        // OK because kinds are 32-bit numbers, whatever their type here.
        Ok(found) => found.f_type as u32,
        Err(error) => return findings.left_out(NAME, format!("not told: {error}"), ""),
    };
    match kind {
        _ if kind == tmpfs || kind == ramfs => findings.add(
            NAME,
            Outcome::Fault,
            "it lies in memory (tmpfs)",
            [
                "everything is gone when the machine restarts, acknowledged or not",
                "put lake.root and embedded_log.folder on a disk",
            ],
        ),
        _ if kind == overlay => findings.add(
            NAME,
            Outcome::Warning,
            "it is a container's own layer (overlayfs)",
            [
                "everything is gone when the container is removed",
                "mount a volume there: docker run -v greenpark:/var/lib/greenpark",
            ],
        ),
        _ if kind == nfs || kind == smb => findings.add(
            NAME,
            Outcome::Warning,
            "it is a network's file system",
            [
                "a sync is as good as the server's word, and one file system for all",
                "export with `sync`, mount with `hard`; better a local disk or an object store",
            ],
        ),
        _ => findings.ok(NAME, format!("a disk's ({kind:#x})"), ""),
    }
}

/// Only Linux reports the kind.
#[cfg(not(target_os = "linux"))]
fn kind(_folder: &Path, findings: &mut Findings) {
    findings.left_out("kind of file system", "not told by this system", "");
}

fn space(folder: &Path, findings: &mut Findings) {
    const NAME: &str = "free space";
    let found = match rustix::fs::statvfs(folder) {
        Ok(found) => found,
        Err(error) => return findings.left_out(NAME, format!("not told: {error}"), ""),
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    // File systems without a fixed number of inodes report zero.
    let few = found.f_files > 0 && found.f_favail < INODES_WARNING;
    let mut seen = format!("{} MiB free", free >> 20);
    if found.f_files > 0 {
        seen.push_str(&format!(", room for {} files", found.f_favail));
    }
    let change = "make room, or move lake.root to a larger disk; embedded_log.retain and \
                  embedded_log.dead_letters bound what the log keeps";
    let means = "on a full disk no reading is acknowledged, and gateways hold what they have";
    let verdict = match free {
        0..FREE_FAULT => Outcome::Fault,
        FREE_FAULT..FREE_WARNING => Outcome::Warning,
        _ if few => Outcome::Warning,
        _ => return findings.ok(NAME, seen, ""),
    };
    findings.add(NAME, verdict, seen, [means, change]);
}

fn sync(trial: &Trial, findings: &mut Findings) {
    const NAME: &str = "sync";
    let took = match synced(trial) {
        Ok(took) => took,
        Err(error) => {
            let means = "what is published may not survive a power cut";
            let change = "look into the system's log for errors of the disk (dmesg)";
            let seen = format!("a file cannot be synced: {error}");
            return findings.add(NAME, Outcome::Fault, seen, [means, change]);
        }
    };
    let (middle, worst) = (took[took.len() / 2], took[took.len() - 1]);
    let seen = format!(
        "a file of 4 KiB is on the disk after {middle:.1?}, at worst {worst:.1?}, of {SYNCED}"
    );
    if middle > SYNC_SLOW {
        let means = "each acknowledgement and each publish waits for some of these";
        let change = "use a disk with a protected write cache (an SSD with power-loss protection), or one \
                      that nothing else keeps busy";
        findings.add(NAME, Outcome::Warning, seen, [means, change]);
    } else if middle < SYNC_UNLIKELY {
        let means = "no device is that fast: something answers before the disk has it, and a power cut takes it back";
        let change = "of a virtual disk: cache=none or writethrough, not unsafe; of a mount: no `nobarrier`, \
                      no eatmydata; no tmpfs";
        findings.add(NAME, Outcome::Warning, seen, [means, change]);
    } else {
        findings.ok(NAME, seen, "");
    }
}

/// Measures the sync of each file; the durations are sorted.
fn synced(trial: &Trial) -> io::Result<Vec<Duration>> {
    let bytes = [7; SYNCED_BYTES];
    let one = |number: usize| -> io::Result<Duration> {
        let mut file = File::create(trial.place(&format!("sync-{number}")))?;
        file.write_all(&bytes)?;
        let began = Instant::now();
        file.sync_all()?;
        Ok(began.elapsed())
    };
    let mut took = (0..SYNCED).map(one).collect::<io::Result<Vec<_>>>()?;
    File::open(&trial.0)?.sync_all()?;
    took.sort_unstable();
    Ok(took)
}

fn names(trial: &Trial, findings: &mut Findings) {
    const NAME: &str = "rename and link";
    let change = "use a local file system (ext4, xfs, btrfs, zfs), or an object store by its URL";
    match named(trial) {
        Ok(()) => findings.ok(
            NAME,
            "a rename replaces, and a link does not",
            "two writers cannot make the same version",
        ),
        Err(what) => {
            let means = "a version of a table could be written twice or seen in part";
            findings.add(NAME, Outcome::Fault, what, [means, change]);
        }
    }
}

/// Checks the assumption of a commit: its file is whole when its name appears, and appears once.
fn named(trial: &Trial) -> Result<(), String> {
    let (old, new, other) = (trial.place("old"), trial.place("new"), trial.place("other"));
    let because = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    fs::write(&old, "old").map_err(because("a file is not written"))?;
    fs::write(&new, "new").map_err(because("a file is not written"))?;
    fs::rename(&new, &old).map_err(because("a rename over a file is refused"))?;
    let read = fs::read_to_string(&old).map_err(because("a renamed file is not read"))?;
    if read != "new" || new.exists() {
        return Err("a rename did not replace the file".to_owned());
    }
    fs::hard_link(&old, &other).map_err(because("a link is refused"))?;
    match fs::hard_link(&old, &other) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            return Err(format!(
                "a second link is refused in the wrong way: {error}"
            ));
        }
        Ok(()) => return Err("a second link to the same name was made".to_owned()),
    }
    let again = OpenOptions::new().write(true).create_new(true).open(&old);
    match again {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err("a file that is there was created anew".to_owned()),
    }
}

/// Checks that every park is on the file system of the lake's folder: a commit is made durable by syncing that file
/// system alone.
#[cfg(unix)]
fn mounts(root: &Path, findings: &mut Findings) {
    use std::os::unix::fs::MetadataExt as _;
    const NAME: &str = "one file system";
    let Ok(own) = fs::metadata(root) else {
        return findings.left_out(NAME, "there is no lake yet", "");
    };
    let folders = |within: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(within).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        paths.filter(|path| path.is_dir()).collect()
    };
    let parks = folders(root);
    let years: Vec<PathBuf> = parks.iter().flat_map(|park| folders(park)).collect();
    let tables: Vec<PathBuf> = years.iter().flat_map(|year| folders(year)).collect();
    let all = parks.iter().chain(&years).chain(&tables);
    let elsewhere: Vec<String> = all
        .filter(|path| fs::metadata(path).is_ok_and(|found| found.dev() != own.dev()))
        .map(|path| path.display().to_string())
        .collect();
    match elsewhere.first() {
        None => findings.ok(NAME, "the whole lake lies on one", ""),
        Some(first) => findings.add(
            NAME,
            Outcome::Fault,
            format!("{first} lies on another ({} folders do)", elsewhere.len()),
            [
                "its files are not synced with the lake's, so a power cut can take what was published",
                "move it back, and mount one file system for the whole of lake.root",
            ],
        ),
    }
}

/// Only Unix reports devices.
#[cfg(not(unix))]
fn mounts(_root: &Path, findings: &mut Findings) {
    findings.left_out("one file system", "not told by this system", "");
}
