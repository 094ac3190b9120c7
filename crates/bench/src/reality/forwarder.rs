//! The network between the hosts: one thread that holds their tunnels and carries every packet at its time.
//!
//! What a host sends comes out of its tunnel here; where it goes and when, [`Paths`] says; it then goes into the tunnel of
//! whom it is for. One tunnel is the probe's: what it sends comes back after [`PROBE_DELAY`], so that how late this network is
//! can be measured from outside.

use super::packet::{destination, turn_round};
use super::paths::Paths;
use super::schedule::Schedule;
use crate::sample::Sample;
use anyhow::{Context, Result, anyhow};
use rustix::event::epoll;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tun_rs::SyncDevice;

/// How long a probe takes, there and back.
pub(super) const PROBE_DELAY: Duration = Duration::from_millis(5);
/// Room for a packet.
const PACKET_BYTES: usize = 2_048;
/// Packets taken from one tunnel before the next has its turn.
const PACKETS_PER_TURN: usize = 32;
/// How often it is looked whether the network is still wanted.
const LOOK: Duration = Duration::from_millis(50);
/// Tells the clock from the tunnels.
const CLOCK: u64 = u64::MAX;
/// Observations of lateness that are kept.
const LATENESS_MAX: usize = 4_000_000;
/// The forwarder and whoever measures go before those who are measured.
const PRIORITY: i32 = -20;

/// What was carried.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    /// Packets from host to host.
    pub(super) packets: u64,
    /// Of these, those that paths lost.
    pub(super) lost: u64,
    /// Packets that were left out: no UDP, or for nobody, such as what a kernel says of ports that nobody listens at.
    pub(super) foreign: u64,
    /// Packets that a tunnel would not take: its host is down.
    pub(super) refused: u64,
    /// How long after their time packets went into their tunnel, microseconds.
    lateness: Vec<f32>,
}

impl Carried {
    /// How long after their time packets went into their tunnel.
    pub(super) fn lateness(&self) -> Sample {
        Sample::new(self.lateness.iter().map(|micros| f64::from(*micros)).collect())
    }
}

/// The running network. Ends when dropped.
#[derive(Debug)]
pub(super) struct Forwarder {
    paths: Arc<Mutex<Paths>>,
    carried: Arc<Mutex<Carried>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

/// A packet on its way into this tunnel.
type Flight = (usize, Vec<u8>);

struct Network {
    /// Of each host, and the probe's behind them.
    tunnels: Vec<SyncDevice>,
    /// The host that an address is of.
    host: fn(Ipv4Addr) -> Option<usize>,
    paths: Arc<Mutex<Paths>>,
    carried: Arc<Mutex<Carried>>,
    stop: Arc<AtomicBool>,
    schedule: Schedule<Flight>,
    epoll: OwnedFd,
    clock: OwnedFd,
}

impl Forwarder {
    /// Carries packets between these tunnels, the last of which is the probe's, from now on.
    pub(super) fn start(tunnels: Vec<SyncDevice>, host: fn(Ipv4Addr) -> Option<usize>, paths: Paths) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let clock = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        for (number, tunnel) in (0..).zip(&tunnels) {
            tunnel.set_nonblocking(true)?;
            epoll::add(&epoll, tunnel, epoll::EventData::new_u64(number), epoll::EventFlags::IN)?;
        }
        epoll::add(&epoll, &clock, epoll::EventData::new_u64(CLOCK), epoll::EventFlags::IN)?;
        let paths = Arc::new(Mutex::new(paths));
        let (carried, stop) = (Arc::default(), Arc::default());
        let mut network = Network {
            tunnels,
            host,
            paths: Arc::clone(&paths),
            carried: Arc::clone(&carried),
            stop: Arc::clone(&stop),
            schedule: Schedule::new(),
            epoll,
            clock,
        };
        let thread = std::thread::Builder::new().name("forwarder".into()).spawn(move || {
            go_first();
            network.run()
        })?;
        Ok(Self { paths, carried, stop, thread: Some(thread) })
    }

    /// Changes the paths. What is on its way arrives as it would have.
    pub(super) fn change(&self, change: impl FnOnce(&mut Paths)) {
        change(&mut locked(&self.paths));
    }

    /// What was carried since the last call.
    pub(super) fn take_carried(&self) -> Carried {
        std::mem::take(&mut *locked(&self.carried))
    }

    /// Fails with the reason if it does not run any more.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.thread.take_if(|thread| thread.is_finished()) {
            None => Ok(()),
            Some(ended) => {
                let reason = ended.join().map_err(|_| anyhow!("it panicked")).flatten();
                reason.and_then(|()| Err(anyhow!("it was stopped"))).context("the emulated network ended")
            }
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Whether it ended well matters to nobody any more.
            drop(thread.join());
        }
    }
}

/// Lets the calling thread go before others. Where that is not allowed, it is only less exact, and that is measured.
pub(super) fn go_first() {
    let _ = rustix::process::nice(PRIORITY);
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Network {
    fn run(&mut self) -> Result<()> {
        let mut events = Vec::with_capacity(self.tunnels.len() + 1);
        while !self.stop.load(Ordering::Relaxed) {
            self.set_clock()?;
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(problem) => return Err(problem).context("the tunnels cannot be waited for"),
            }
            for event in &events {
                let number = event.data.u64();
                if number == CLOCK {
                    // It fails only if nobody set it off, which is all that it would say.
                    let _ = rustix::io::read(&self.clock, &mut [0_u8; 8]);
                } else if let Ok(number) = usize::try_from(number) {
                    self.take_in(number)?;
                }
            }
            self.hand_out();
        }
        Ok(())
    }

    /// The clock of the kernel wakes to the microsecond; a time-out in milliseconds would not.
    fn set_clock(&self) -> Result<()> {
        let wait = self.schedule.next_due().map_or(LOOK, |due| due.saturating_duration_since(Instant::now()).min(LOOK));
        // Zero would stop the clock.
        let wait = wait.max(Duration::from_nanos(1));
        let it_value = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(&self.clock, TimerfdTimerFlags::empty(), &once).context("the clock cannot be set")?;
        Ok(())
    }

    /// Takes what a host has sent.
    fn take_in(&mut self, from: usize) -> Result<()> {
        let now = Instant::now();
        let mut paths = locked(&self.paths);
        let mut carried = locked(&self.carried);
        for _ in 0..PACKETS_PER_TURN {
            let mut packet = vec![0; PACKET_BYTES];
            match self.tunnels[from].recv(&mut packet) {
                Ok(size) => packet.truncate(size),
                Err(problem) if problem.kind() == ErrorKind::WouldBlock => break,
                Err(problem) => return Err(problem).with_context(|| format!("tunnel {from} cannot be read")),
            }
            if from + 1 == self.tunnels.len() {
                turn_round(&mut packet);
                self.schedule.push(now + PROBE_DELAY, (from, packet));
                continue;
            }
            let host = destination(&packet).and_then(self.host).filter(|to| *to + 1 < self.tunnels.len());
            let Some(to) = host else {
                carried.foreign += 1;
                continue;
            };
            carried.packets += 1;
            match paths.fate(from, to) {
                Some(delay) => self.schedule.push(now + delay, (to, packet)),
                None => carried.lost += 1,
            }
        }
        Ok(())
    }

    /// Hands out what is due.
    fn hand_out(&mut self) {
        let mut now = Instant::now();
        while let Some((due, (to, packet))) = self.schedule.pop_due(now) {
            let taken = self.tunnels[to].send(&packet).is_ok();
            let mut carried = locked(&self.carried);
            if !taken {
                carried.refused += 1;
            }
            now = Instant::now();
            if carried.lateness.len() < LATENESS_MAX {
                carried.lateness.push((now - due).as_secs_f32() * 1e6);
            }
        }
    }
}
