//! Writes the data of the fuzzer to a spool folder.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use tempfile::TempDir;

/// Separates the files in the data. It does not occur in UTF-8.
const SEPARATOR: u8 = 0xff;

/// The manifest if the fuzzer provides none, so that the fuzzer need not find a valid one first.
const MANIFEST: &str = r#"{"run_id": "run", "worker": "w1", "namespace": "Locust", "resolution": 1,
    "series": ["Host", "Request"], "log_group": "LocustTests", "log_stream": "load-generator/run/w1",
    "log_class": "STANDARD", "log_retention_days": null, "aws": {"local": false}}"#;

static ROOT: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// Writes the manifest, two files of datums and two of log events, which follow each other in `data`. The first byte determines
/// whether windows are minutes.
pub fn folder(data: &[u8]) -> PathBuf {
    let folder = ROOT.path().join("run/w1");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    let (minutes, data) = data.split_first().map_or((false, data), |(first, rest)| (first % 2 == 1, rest));
    let mut files = data.split(|&byte| byte == SEPARATOR);
    let default =
        if minutes { MANIFEST.replace("\"resolution\": 1", "\"resolution\": 60") } else { MANIFEST.to_owned() };
    let manifest = files.next().filter(|manifest| !manifest.is_empty()).unwrap_or(default.as_bytes());
    fs::write(folder.join("run.json"), manifest).expect("written");
    for ((id, lane), text) in (1..).zip(["metrics", "logs", "metrics", "logs"]).zip(files) {
        let name = format!("{id:09}-{:08x}-{lane}.jsonl", crc32fast::hash(text));
        fs::write(folder.join(name), text).expect("written");
    }
    folder
}
