//! Looking up where the cluster may be found.

use crate::config::Seed;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often names are looked up again.
const AGAIN: Duration = Duration::from_secs(30);
/// How soon after nothing at all was found.
const RETRY: Duration = Duration::from_secs(2);

/// Looks seeds up now and again, and sends what it finds, until nobody listens.
pub(crate) async fn look_up(seeds: Vec<Seed>, found: mpsc::Sender<Vec<SocketAddr>>) {
    if seeds.is_empty() {
        return;
    }
    let mut complained = false;
    loop {
        let mut addresses = Vec::new();
        for seed in &seeds {
            match tokio::net::lookup_host((seed.host.as_str(), seed.port)).await {
                Ok(more) => addresses.extend(more.take(64)),
                Err(problem) if !complained => {
                    tracing::warn!(seed = %seed.host, %problem, "a seed's name cannot be looked up; trying on");
                    complained = true;
                }
                Err(_) => {}
            }
        }
        let wait = if addresses.is_empty() { RETRY } else { AGAIN };
        if found.send(addresses).await.is_err() {
            return;
        }
        tokio::time::sleep(wait).await;
    }
}

/// The seeds as a person would write them.
pub(crate) fn words(seeds: &[Seed]) -> String {
    seeds.iter().map(|seed| format!("{}:{}", seed.host, seed.port)).collect::<Vec<_>>().join(", ")
}
