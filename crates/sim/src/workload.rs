//! Workloads: they make trouble and judge nothing.

use crate::network::Weather;
use crate::world::World;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use whither_model::{Ack, Command, Health, Registration, State};

/// A registration of instance `id` of `service` that anybody can tell from the next one of the same by its weight.
#[must_use]
pub fn registration(service: usize, id: usize, weight: u16) -> Option<Registration> {
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, u8::try_from(service).ok()?, u8::try_from(id).ok()?));
    let mut registration =
        Registration::new(format!("svc-{service}").parse().ok()?, format!("i{id}").parse().ok()?, address);
    registration.weight = weight.max(1);
    Some(registration)
}

/// Makes trouble for `rounds` rounds: clients that register and deregister, storms, cuts, crashes, stops and freezes.
pub fn live_on(world: &mut World, rounds: usize) {
    for round in 0..rounds {
        let (dice, node) = (world.random().below(100), pick_node(world));
        match dice {
            0..55 => client(world, node, round),
            55..65 => storm(world),
            65..73 => cut(world),
            73..80 => world.network.heal(),
            80..88 => crash_or_boot(world, node),
            88..92 => stop_or_boot(world, node),
            92..96 => freeze(world, node),
            _ => {}
        }
        let pause = world.random().below(400_000) as u64;
        world.run_for(Duration::from_micros(pause));
    }
}

/// Ends all trouble and gives the cluster time to agree.
pub fn settle(world: &mut World) {
    world.network.heal();
    world.network.weather = Weather::CALM;
    for node in 0..world.size() {
        world.resume(node);
        if !world.is_running(node) {
            world.boot(node);
        }
    }
    world.run_for(Duration::from_secs(25));
}

fn pick_node(world: &mut World) -> usize {
    let size = world.size();
    world.random().below(size)
}

fn client(world: &mut World, node: usize, round: usize) {
    let (service, id) = (world.random().below(3), world.random().below(6));
    let Some(mut registration) = registration(service, id, u16::try_from(round % 60_000 + 1).unwrap_or(1)) else {
        return;
    };
    let ack = if world.random().below(2) == 0 { Ack::Durable } else { Ack::Memory };
    let (name, instance) = (registration.service.clone(), registration.id.clone());
    let command = match world.random().below(12) {
        0..6 => {
            if world.random().below(4) == 0 {
                registration.lease = Some(Duration::from_millis(500 + world.random().below(3_000) as u64));
            }
            Command::Register { registrations: vec![registration], ack }
        }
        6..9 => Command::Deregister { service: name, id: instance, force: round.is_multiple_of(2), ack },
        9 => Command::SetState { service: name, id: instance, state: State::Draining, ack },
        10 => Command::Renew { service: name, id: instance, health: Some(Health::Warning) },
        _ => Command::Renew { service: name, id: instance, health: None },
    };
    world.command(node, command);
}

fn storm(world: &mut World) {
    let mut weather = if world.random().below(2) == 0 { Weather::STORMY } else { Weather::CALM };
    if weather.loss_per_mille > 0 {
        weather.loss_per_mille = world.random().below(400);
    }
    world.network.weather = weather;
}

fn cut(world: &mut World) {
    let size = world.size();
    if world.random().below(2) == 0 {
        let (from, to) = (world.random().below(size), world.random().below(size));
        world.network.cut(from, to);
    } else {
        let mut groups = vec![Vec::new(), Vec::new()];
        for node in 0..size {
            let group = world.random().below(2);
            groups[group].push(node);
        }
        world.network.partition(&groups);
    }
}

fn crash_or_boot(world: &mut World, node: usize) {
    if world.is_running(node) {
        world.crash(node);
    } else {
        world.boot(node);
    }
}

fn stop_or_boot(world: &mut World, node: usize) {
    if world.is_running(node) {
        world.stop(node);
    } else {
        world.boot(node);
    }
}

fn freeze(world: &mut World, node: usize) {
    world.pause(node);
    let length = world.random().below(5_000_000) as u64;
    world.run_for(Duration::from_micros(length));
    world.resume(node);
}
