//! Starting and stopping.

use crate::answerer::{Answerer, Source, Transport};
use crate::config::Config;
use crate::counters::{self, Counters};
use crate::sockets::{Bound, Listener, StartError};
use crate::{tcp, udp};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use whither_directory::Directory;

/// A surface that serves. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<SocketAddr>,
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
    tasks: JoinSet<()>,
}

/// Says stop to the threads and to the tasks.
#[derive(Clone, Debug)]
struct Stop {
    threads: Arc<AtomicBool>,
    tasks: watch::Sender<bool>,
}

impl Stop {
    fn say(&self) {
        self.threads.store(true, Ordering::Relaxed);
        self.tasks.send_replace(true);
    }
}

/// Serves `directory` on `bound` until `shutdown` is done or [`Running::stop`] is called: UDP on threads of its own, TCP on
/// the Tokio runtime that this is called in. Registers its counters with the directory's vitals; call it once in the life
/// of a directory.
///
/// # Errors
/// [`StartError`] if the configuration cannot be used or the system gives no threads. Nothing runs then, and the ports
/// are given back.
///
/// # Panics
/// If called outside a Tokio runtime with time and network.
pub fn serve(
    bound: Bound,
    directory: Arc<Directory>,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Running, StartError> {
    let source = Arc::new(Source::new(Arc::clone(&directory), &config)?);
    let (tasks, _) = watch::channel(false);
    let addresses = bound.addresses();
    let stop = Stop { threads: Arc::default(), tasks };
    // From here on an error drops `running`, which stops what has begun.
    let mut running = Running { addresses, stop, threads: Vec::new(), tasks: JoinSet::new() };
    let mut all = Vec::new();
    for listener in bound.listeners {
        running.start(listener, &source, &config, &mut all)?;
    }
    directory.vitals().register(move |samples| counters::sample(&all, samples));
    let (stop, mut stopped) = (running.stop.clone(), running.stop.tasks.subscribe());
    running.tasks.spawn(async move {
        tokio::select! {
            () = shutdown => stop.say(),
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    });
    Ok(running)
}

impl Running {
    fn start(
        &mut self,
        listener: Listener,
        source: &Arc<Source>,
        config: &Config,
        all: &mut Vec<Arc<Counters>>,
    ) -> Result<(), StartError> {
        let Listener { address, udp, tcp } = listener;
        for (at, socket) in udp.into_iter().enumerate() {
            udp::prepare(&socket).map_err(StartError::system(format!("cannot set a time-out on UDP {address}")))?;
            let counters = Arc::new(Counters::default());
            all.push(Arc::clone(&counters));
            let answerer = Answerer::new(Arc::clone(source), Arc::clone(&counters), Transport::Udp);
            let stop = Arc::clone(&self.stop.threads);
            let thread = std::thread::Builder::new()
                .name(format!("dns-udp-{at}"))
                .spawn(move || udp::run(&socket, answerer, &counters, &stop))
                .map_err(StartError::system(format!("cannot start a thread for UDP {address}")))?;
            self.threads.push(thread);
        }
        let listener = tokio::net::TcpListener::from_std(tcp)
            .map_err(StartError::system(format!("cannot watch TCP {address}")))?;
        let counters = Arc::new(Counters::default());
        all.push(Arc::clone(&counters));
        let (source, connections_max) = (Arc::clone(source), config.tcp_connections_max);
        let server = tcp::Server { source, counters, connections_max, idle: config.tcp_idle };
        self.tasks.spawn(server.run(listener, self.stop.tasks.subscribe()));
        Ok(())
    }

    /// Where it listens, UDP and TCP alike.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where it listens first.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.addresses.first().copied()
    }

    /// Stops, and returns when every answer that was begun is sent and the ports are free.
    pub async fn stop(self) {
        self.stop.say();
        self.stopped().await;
    }

    /// Waits until the surface has stopped, because `shutdown` was done.
    pub async fn stopped(mut self) {
        while self.tasks.join_next().await.is_some() {}
        let threads = std::mem::take(&mut self.threads);
        let join = move || threads.into_iter().for_each(|thread| drop(thread.join()));
        // The threads never panic, and a runtime that is going away has nobody left to wait for.
        drop(tokio::task::spawn_blocking(join).await);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.say();
    }
}
