//! The script that Slurm starts on a node: it finds its working folder and becomes `fig6 exec`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::answers;
use nn::device;

/// Exit codes of the script, where fig6 does not even begin.
pub const NO_FOLDER: i32 = 101;
pub const OTHER_ARCHITECTURE: i32 = 102;
pub const NO_PROGRAM: i32 = 103;

/// How often a job looks for its folder, a second apart.
pub const TRIES: u32 = 30;

/// A script for one submission: the job with index i works in the i-th folder, for which it looks so many
/// times.
///
/// # Errors
/// If a path cannot be written into a script.
pub fn script(batch: &str, program: &Path, folders: &[PathBuf], tries: u32) -> Result<Vec<u8>> {
    let mut script = Vec::new();
    let mut add = |text: &str| script.extend_from_slice(text.as_bytes());
    add("#!/bin/sh\n# Written by fig6: steps of a pipeline, one a job.\n");
    add("case \"$SLURM_ARRAY_TASK_ID\" in\n");
    for (index, folder) in folders.iter().enumerate() {
        script.extend_from_slice(format!("{index}) folder=").as_bytes());
        script.extend_from_slice(&quoted(folder.as_os_str())?);
        script.extend_from_slice(b" ;;\n");
    }
    let program = quoted(program.as_os_str())?;
    script.extend_from_slice(b"esac\nprogram=");
    script.extend_from_slice(&program);
    let architecture = std::env::consts::ARCH;
    let mut rest = format!(
        "\n# A network's file system may show it late.\n\
         tries=0\n\
         until (: >> \"$folder/{}\") 2> /dev/null; do\n\
         tries=$((tries + 1))\n\
         [ $tries -lt {tries} ] || exit {NO_FOLDER}\n\
         sleep 1\n\
         done\n\
         [ \"$(uname -m)\" = {architecture} ] || exit {OTHER_ARCHITECTURE}\n\
         [ -x \"$program\" ] || exit {NO_PROGRAM}\n\
         threads=\"${{SLURM_CPUS_PER_TASK:-${{SLURM_CPUS_ON_NODE:-1}}}}\"\n",
        answers::FILE
    );
    // The number of threads is known on the node only.
    let variables = device::environment(0);
    for (name, value) in &variables {
        let value = match name.ends_with("_NUM_THREADS") {
            true => "\"$threads\"",
            false => value,
        };
        rest += &format!("export {name}={value}\n");
    }
    rest += &format!(
        "exec \"$program\" exec --ticket {batch}.\"$SLURM_ARRAY_TASK_ID\" \"$folder\" \
         >> \"$folder/{}\" 2>> \"$folder/log\"\n",
        answers::FILE
    );
    script.extend_from_slice(rest.as_bytes());
    Ok(script)
}

fn quoted(text: &OsStr) -> Result<Vec<u8>> {
    let quoted = shlex::bytes::try_quote(text.as_bytes());
    let quoted = quoted.with_context(|| format!("cannot write {text:?} into a script"))?;
    Ok(quoted.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_job_finds_its_folder_whatever_its_name_is() {
        let place = testing::folder();
        let folders: Vec<PathBuf> = ["plain", "with space", "it's $HOME"]
            .iter()
            .map(|name| place.path().join(name))
            .collect();
        let program = place.path().join("a program");
        std::fs::write(&program, "#!/bin/sh\necho \"$@\" $RAYON_NUM_THREADS\n").unwrap();
        let mut permissions = program.metadata().unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
        std::fs::set_permissions(&program, permissions).unwrap();
        let text = script("b1", &program, &folders, 1).unwrap();
        let path = place.path().join("script");
        std::fs::write(&path, text).unwrap();
        let run = |index: usize| {
            let status = std::process::Command::new("sh")
                .arg(&path)
                .env("SLURM_ARRAY_TASK_ID", index.to_string())
                .env("SLURM_CPUS_ON_NODE", "3")
                .env_remove("SLURM_CPUS_PER_TASK")
                .status();
            status.unwrap().code()
        };
        assert_eq!(run(0), Some(NO_FOLDER));
        for (index, folder) in folders.iter().enumerate() {
            std::fs::create_dir(folder).unwrap();
            assert_eq!(run(index), Some(0));
            let answer = std::fs::read_to_string(folder.join("answers")).unwrap();
            let expected = format!("exec --ticket b1.{index} {} 3\n", folder.display());
            assert_eq!(answer, expected);
        }
        std::fs::remove_file(&program).unwrap();
        assert_eq!(run(0), Some(NO_PROGRAM));
    }

    #[test]
    fn a_path_that_no_script_can_hold_is_refused() {
        let folder = PathBuf::from(OsStr::from_bytes(b"a\0b"));
        assert!(script("b", Path::new("p"), &[folder], 1).is_err());
    }
}
