//! A server that speaks S3: moto's, where Python has it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use testing::until;

/// What the tests' credentials are; no output may have them in it.
pub const KEY: &str = "AKIDgeheim";
pub const SECRET: &str = "geheimgeheim";

static SERVER: OnceLock<Option<u16>> = OnceLock::new();
static PROCESS: Mutex<Option<Child>> = Mutex::new(None);

/// Its port; says so where there is none.
pub fn port() -> Option<u16> {
    let port = *SERVER.get_or_init(start);
    if port.is_none() {
        println!("skipped: no moto (`pip install 'moto[server]'`)");
    }
    port
}

fn start() -> Option<u16> {
    let python = |code: &str| {
        let mut command = Command::new("python3");
        command
            .args(["-c", code])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    if !python("import moto.server, flask")
        .status()
        .is_ok_and(|status| status.success())
    {
        return None;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    // It ends with the tests, however they end.
    let parent = std::process::id();
    let code = format!(
        "import os, sys, threading, time\n\
         def watch():\n\
         \x20while os.getppid() == {parent}: time.sleep(0.5)\n\
         \x20os._exit(0)\n\
         threading.Thread(target=watch, daemon=True).start()\n\
         from moto.server import main\n\
         main(['-p', '{port}'])"
    );
    *PROCESS.lock().unwrap() = Some(python(&code).spawn().unwrap());
    until("moto listens", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    Some(port)
}

/// Creates a bucket.
pub fn create(port: u16, bucket: &str) {
    ask(port, "PUT", &format!("/{bucket}"));
}

/// What lies in a bucket.
pub fn get(port: u16, path: &str) -> Vec<u8> {
    ask(port, "GET", path)
}

fn ask(port: u16, method: &str, path: &str) -> Vec<u8> {
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = "Host: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close";
    server
        .write_all(format!("{method} {path} HTTP/1.1\r\n{head}\r\n\r\n").as_bytes())
        .unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer[..40])
    );
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    answer.split_off(end + 4)
}
