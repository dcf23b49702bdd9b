//! A watcher under way, and what a browser gets from it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Child;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testing::{HANG, start};

use super::common::Project;

/// `fig6 watch` in a project's folder.
pub struct Watcher {
    process: Child,
    pub address: SocketAddr,
}

impl Watcher {
    /// Waits until it has said where it serves.
    pub fn start(project: &Project, arguments: &[&str]) -> Watcher {
        let mut command = project.heeding_command();
        let mut process = start(command.arg("watch").args(arguments));
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let said = serde_json::from_str(&line).unwrap_or(Value::Null);
        let url = said["url"].as_str().unwrap_or(line.trim_end());
        let address = url
            .strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix('/'))
            .unwrap_or_else(|| panic!("{line:?} is no address"));
        Watcher {
            address: address.parse().unwrap(),
            process,
        }
    }

    fn connect(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// The whole answer to a request.
    pub fn send(&self, request: &str) -> String {
        let mut answer = String::new();
        self.connect(request).read_to_string(&mut answer).unwrap();
        answer
    }

    pub fn get(&self, path: &str) -> String {
        let host = self.address;
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    /// The stream of events from now on.
    pub fn events(&self) -> Events {
        let host = self.address;
        let request = format!("GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n");
        Events(BufReader::new(self.connect(&request)))
    }

    /// Waits until it says this on standard error. Before that it may have seen a file half written.
    pub fn await_warning(&mut self, start: &str) {
        let mut said = BufReader::new(self.process.stderr.as_mut().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().starts_with(start)), "{start}");
    }

    /// Ends it; gives its exit code and what it said on standard error.
    pub fn end_by(mut self, signal: Signal) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
        let mut said = String::new();
        let stderr = self.process.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (self.process.wait().unwrap().code(), said)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Also where a test fails; one that was waited for is left alone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A stream of events.
pub struct Events(BufReader<TcpStream>);

impl Events {
    /// Waits for the next one.
    pub fn next(&mut self) -> Value {
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line).unwrap();
            assert!(read > 0, "the stream ended");
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).unwrap();
            }
        }
    }

    /// Waits for one of which something holds.
    #[track_caller]
    pub fn until(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let event = self.next();
            if holds(&event) {
                return event;
            }
            assert!(started.elapsed() < HANG, "hangs: {what}");
        }
    }
}

/// The iterations after which a model's first run was evaluated.
pub fn curve(event: &Value, model: &str) -> Option<Vec<u64>> {
    let mut runs = event["runs"].as_array()?.iter();
    let run = runs.find(|run| run["model"] == model && run["seed"] == 0)?;
    let iterations = run["curve"]["iteration"].as_array()?.iter();
    iterations.map(Value::as_u64).collect()
}

/// Every step and how it stands.
pub fn standings(event: &Value) -> Vec<(String, String)> {
    let steps = event["steps"].as_array().unwrap().iter();
    let text = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
    steps
        .map(|step| (text(step, "step"), text(step, "standing")))
        .collect()
}
