//! A proxy: it opens tunnels and speaks SOCKS 5.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::server::head_of;

/// Serves until the process ends.
pub struct Relay {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    /// A proxy that wants this in the request's head, in lower case.
    pub fn start(wanted: &'static str) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || serve(stream?, wanted, &seen));
            }
        });
        Relay { address, requests }
    }

    /// What was asked so far: the first line of each request, in lower case.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, wanted: &str, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut first = [0];
    client.peek(&mut first)?;
    if first == [5] {
        return socks(client, seen);
    }
    let head = head_of(&client)?;
    let line = head.lines().next().unwrap_or_default();
    seen.lock().unwrap().push(line.to_owned());
    if !head.contains(wanted) {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    }
    let target = line.strip_prefix("connect ");
    let target = target.and_then(|it| it.strip_suffix(" http/1.1"));
    let Some(target) = target else {
        return client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    };
    let Ok(server) = TcpStream::connect(target) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n");
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    join(client, server)
}

fn socks(mut client: TcpStream, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut methods = [0; 2];
    client.read_exact(&mut methods)?;
    client.read_exact(&mut vec![0; methods[1].into()])?;
    client.write_all(&[5, 0])?;
    let mut request = [0; 4];
    client.read_exact(&mut request)?;
    let length = match request[3] {
        3 => {
            let mut length = [0];
            client.read_exact(&mut length)?;
            length[0].into()
        }
        _ => 4,
    };
    let mut host = vec![0; length];
    client.read_exact(&mut host)?;
    let mut port = [0; 2];
    client.read_exact(&mut port)?;
    let host = match request[3] {
        3 => String::from_utf8(host).unwrap(),
        _ => format!("{}.{}.{}.{}", host[0], host[1], host[2], host[3]),
    };
    let target = format!("{host}:{}", u16::from_be_bytes(port));
    seen.lock().unwrap().push(format!("socks {target}"));
    let server = TcpStream::connect(target)?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    join(client, server)
}

/// Copies both ways until either side ends.
fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Write)
    });
    let (mut from, mut to) = (server, client);
    io::copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Write)
}
