//! `/etc/hosts`, which pins names to addresses (hosts(5)), and `/etc/nsswitch.conf`, which says whether it is asked first
//! (nsswitch.conf(5)).

use std::net::IpAddr;

/// Lines that are told; somebody who pins a name more often has other problems.
const PINS_MAX: usize = 64;

/// A line that gives a name an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pin {
    /// Which, from 1.
    pub(super) line: usize,
    /// The name as it is written there.
    pub(super) name: String,
    /// What it is pinned to.
    pub(super) address: IpAddr,
}

/// The lines of a hosts file that speak of one of `names`, compared without case and without final dots.
pub(super) fn pins(text: &str, names: &[String]) -> Vec<Pin> {
    let wanted = |word: &str| names.iter().any(|name| bare(name).eq_ignore_ascii_case(bare(word)));
    let pin = |(line, text): (usize, &str)| {
        let said = text.split('#').next().unwrap_or_default();
        let mut words = said.split_whitespace();
        let address = words.next()?.parse().ok()?;
        let name = words.find(|word| wanted(word))?.to_owned();
        Some(Pin { line, name, address })
    };
    (1..).zip(text.lines()).filter_map(pin).take(PINS_MAX).collect()
}

fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Who is asked for hosts, in order, as the last `hosts:` line says; without one, glibc's preset.
pub(super) fn sources(text: &str) -> Vec<String> {
    let mut lines = text.lines().filter_map(|line| line.split('#').next()?.trim_start().strip_prefix("hosts:"));
    let said = lines.next_back().unwrap_or("files dns");
    let mut sources = Vec::new();
    let mut in_brackets = false;
    for word in said.split_whitespace() {
        // `[NOTFOUND=return]` and `[ !UNAVAIL = return ]` say what happens after a source, and are none.
        if !in_brackets && !word.starts_with('[') {
            sources.push(word.split('[').next().unwrap_or_default().to_owned());
        }
        let opened = in_brackets || word.contains('[');
        in_brackets = opened && !word.ends_with(']');
    }
    sources
}
