//! A server that can be told what to answer, for checks to look at.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread::JoinHandle;

/// Answers every request with one status. Its port refuses connections once it was dropped.
pub(crate) struct Site {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Site {
    /// One that answers with `status` at first.
    pub(crate) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (status, ends) = (Arc::new(AtomicU16::new(status)), Arc::new(AtomicBool::new(false)));
        let (says, ended) = (Arc::clone(&status), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever asked may have gone already.
                drop(answer(stream, says.load(Ordering::SeqCst)));
            }
        });
        Self { address, status, ends, thread: Some(thread) }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on it answers with `status`.
    pub(crate) fn says(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

fn answer(mut stream: TcpStream, status: u16) -> std::io::Result<()> {
    let mut request = BufReader::new(stream.try_clone()?).lines();
    while request.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    write!(stream, "HTTP/1.1 {status} Said\r\nContent-Length: 12\r\nConnection: close\r\n\r\nit says so.\n")
}

impl Drop for Site {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // Wakes it; should this fail, it is awake.
        drop(TcpStream::connect(self.address));
        drop(self.thread.take().map(JoinHandle::join));
    }
}
