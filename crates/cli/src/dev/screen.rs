//! What `whither dev` shows: a table that stays in place on a terminal, plain lines elsewhere.

use crate::dev::cluster::Cluster;
use crate::dev::stopwatch::Lap;
use crate::table::{Cell, Column, Style, Table, Tone};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;
use whither_directory::Directory;

/// Lines of news that stay on the screen.
const NEWS: usize = 10;

/// The screen.
pub(crate) struct Screen {
    style: Style,
    /// Redraw in place; otherwise only news is printed, a line each.
    live: bool,
    json: bool,
    nodes: Vec<Arc<Directory>>,
    names: Vec<String>,
    news: VecDeque<String>,
    drawn: usize,
}

impl Screen {
    /// A screen for `cluster` on standard output.
    pub(crate) fn new(cluster: &Cluster, style: Style, live: bool, json: bool) -> Self {
        let nodes: Vec<_> = cluster.agents.iter().map(|agent| Arc::clone(agent.directory())).collect();
        let names = nodes.iter().map(|directory| directory.identity().name.to_string()).collect();
        Self { style, live, json, nodes, names, news: VecDeque::new(), drawn: 0 }
    }

    /// What to type elsewhere.
    pub(crate) fn introduce(&self, cluster: &Cluster) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let mut table =
            Table::new(&[Column::fixed("NODE"), Column::fixed("HTTP"), Column::fixed("DNS"), Column::fixed("PEERS")]);
        let shown = |address: Option<std::net::SocketAddr>| address.map_or_else(|| "-".into(), |a| a.to_string());
        for agent in &cluster.agents {
            let name = agent.directory().identity().name.to_string();
            let cells = [name, shown(agent.http()), shown(agent.dns()), agent.peers().to_string()];
            table.push(cells.map(|text| Cell::new(text, Tone::Plain)));
        }
        if self.json {
            for agent in &cluster.agents {
                let line = serde_json::json!({
                    "node": agent.directory().identity().name.as_str(),
                    "http": agent.http(), "dns": agent.dns(), "peers": agent.peers(),
                    "socket": agent.socket().map(std::path::Path::to_string_lossy),
                });
                writeln!(out, "{line}")?;
            }
            return out.flush();
        }
        writeln!(out, "A cluster of three on loopback; it forgets everything when it ends (Ctrl-C).\n")?;
        write!(out, "{}", table.render(self.style))?;
        let (http, dns) = (shown(cluster.agents[0].http()), cluster.agents[0].dns());
        writeln!(out, "\nTry, in another terminal:\n  curl -s http://{http}/v1/services/prod/recos")?;
        if let Some(dns) = dns {
            writeln!(out, "  dig @{} -p {} recos.prod.whither SRV", dns.ip(), dns.port())?;
        }
        let agent = if http.ends_with(":7601") { String::new() } else { format!("--agent {http} ") };
        writeln!(out, "  whither {agent}prod/recos")?;
        writeln!(out, "  curl -sN http://{http}/v1/watch/prod/recos")?;
        writeln!(out, "  whither {agent}register prod/recos --id mine --port 8080\n")?;
        out.flush()
    }

    /// Takes in a lap.
    pub(crate) fn news(&mut self, lap: &Lap) -> io::Result<()> {
        if self.json {
            // Whole microseconds: more digits would be noise.
            let millis = |shown: &Option<Duration>| shown.map(|shown| (shown.as_secs_f64() * 1e6).round() / 1e3);
            let shown: serde_json::Map<String, serde_json::Value> =
                self.names.iter().zip(&lap.shown).map(|(name, shown)| (name.clone(), millis(shown).into())).collect();
            let line = serde_json::json!({
                "what": lap.act.what, "service": lap.act.service.as_str(), "id": lap.act.id.as_str(),
                "at": self.names[lap.act.node], "shown_ms": shown,
            });
            return print(&format!("{line}\n"));
        }
        let line = self.line(lap);
        if !self.live {
            return print(&format!("{line}\n"));
        }
        if self.news.len() == NEWS {
            self.news.pop_front();
        }
        self.news.push_back(line);
        self.draw()
    }

    fn line(&self, lap: &Lap) -> String {
        let Lap { act, shown } = lap;
        let own = &self.names[act.node];
        let mut line = format!("{:<12} {} {} at {own}", act.what, act.service, act.id);
        for (at, (name, shown)) in self.names.iter().zip(shown).filter(|(name, _)| *name != own).enumerate() {
            let before = if at == 0 { " →" } else { "," };
            let _ = match shown {
                Some(shown) => write!(line, "{before} {name} {:.2} ms", shown.as_secs_f64() * 1_000.0),
                None => write!(line, "{before} {name} not yet"),
            };
        }
        line
    }

    /// Draws the table anew, if there is one.
    pub(crate) fn draw(&mut self) -> io::Result<()> {
        if !self.live {
            return Ok(());
        }
        let mut text = self.table().render(self.style);
        text.push('\n');
        for line in &self.news {
            let width = self.style.width.unwrap_or(usize::MAX);
            text.extend(line.chars().take(width));
            text.push('\n');
        }
        let mut frame = String::new();
        if self.drawn > 0 {
            // Back to where the last frame began, and clear from there.
            let _ = write!(frame, "\x1b[{}A\x1b[J", self.drawn);
        }
        frame.push_str(&text);
        self.drawn = text.lines().count();
        print(&frame)
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            Column::fixed("SERVICE"),
            Column::fixed("USABLE"),
            Column::fixed("KNOWN TO WITHIN"),
            Column::flexible("INSTANCES", 20, 1),
        ]);
        let directory = &self.nodes[0];
        let (view, now) = (directory.view(), directory.clock().now());
        let mut services: Vec<_> = view.services().collect();
        services.sort_by(|a, b| a.name().cmp(b.name()));
        for service in services {
            let usable = service.instances().iter().filter(|listed| listed.status.is_usable()).count();
            let all = service.instances().len();
            let ids: Vec<String> = service
                .instances()
                .iter()
                .map(|listed| match listed.status.as_str() {
                    "passing" => listed.id().to_string(),
                    status => format!("{}({status})", listed.id()),
                })
                .collect();
            let age = service.age(view.freshness(), now);
            let age = age.map_or_else(|| "unknown".into(), |age| format!("{} ms", age.as_millis()));
            let tone = if usable == all { Tone::Good } else { Tone::Warn };
            table.push([
                Cell::new(service.name().as_str(), Tone::Plain),
                Cell::new(format!("{usable} of {all}"), tone),
                Cell::new(age, Tone::Plain),
                Cell::new(ids.join(" "), Tone::Plain),
            ]);
        }
        table
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
